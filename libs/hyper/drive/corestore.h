// Corestore: a folder of Hypercores that one process writes. Layout and keys are those of
// corestore 6 with {compat: false, manifestVersion: 1} (docs/formats/hyperdrive.md):
//
//   primary-key                             32 raw bytes: every named core's key pair derives from
//   it cores/aa/bb/<discovery key in hex>/     one core
//
// The process that holds a Corestore holds the write lock on `primary-key` that JavaScript holds
// too (fcntl F_OFD_SETLK, whole file), so the two never write at once.
//
// The primary key is a secret: it is never printed, and leaves this class only as derived key
// pairs.
//
// Threads: not thread-safe; one thread owns the store and the drives opened on it.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/replica_core.h"

namespace hnx::hyper {

using PrimaryKey = std::array<std::byte, 32>;

class Corestore {
 public:
  // Makes a store with a random primary key, or with the given one (a backed-up index key, a test).
  // kAlreadyExists: `folder` has a primary-key already.
  static Result<std::unique_ptr<Corestore>> Create(std::filesystem::path folder);
  static Result<std::unique_ptr<Corestore>> Create(std::filesystem::path folder,
                                                   const PrimaryKey& primary_key);
  // kNotFound: no store there. kFailedPrecondition: another process has it open.
  static Result<std::unique_ptr<Corestore>> Open(std::filesystem::path folder);
  ~Corestore();
  Corestore(const Corestore&) = delete;
  Corestore& operator=(const Corestore&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

  // The core that corestore 6 opens with get({ name }): key pair derived from the primary key,
  // manifest version 1. Made when missing. The store must outlive its cores.
  Result<std::unique_ptr<Hypercore>> OpenOrCreateNamed(std::string_view name);
  // kNotFound: it was never made.
  Result<std::unique_ptr<Hypercore>> OpenNamed(std::string_view name);
  // A core without a name, signed with a given key.
  Result<std::unique_ptr<Hypercore>> OpenOrCreate(NewCore core);
  // The same of cores whose files were filled from peers (OpenReplica) and that this key signs:
  // they get their secret key (Hypercore::TakeOver). kNotFound: there is no such core.
  Result<std::unique_ptr<Hypercore>> TakeOverNamed(std::string_view name);
  Result<std::unique_ptr<Hypercore>> TakeOver(NewCore core);
  // A copy of somebody else's core, filled from peers. Made when missing; there is no other sign of
  // it than its folder. kFailedPrecondition: its secret key is here, so it is a core of our own.
  Result<std::unique_ptr<ReplicaCore>> OpenReplica(const CoreKey& key);

 private:
  Corestore(std::filesystem::path folder, const PrimaryKey& primary_key, UniqueFd lock);

  bool Exists(const CoreKey& key) const;
  std::filesystem::path FolderOf(const CoreKey& key) const;
  Result<std::unique_ptr<Hypercore>> OpenExisting(const CoreKey& key);
  NewCore NamedCore(std::string_view name) const;

  std::filesystem::path folder_;
  PrimaryKey primary_key_;
  UniqueFd lock_;
};

}  // namespace hnx::hyper
