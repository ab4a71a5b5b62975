// BlockHashing: answers whose blocks are hashed on another thread, while the loop decrypts, writes
// and serves others. Hashing is the dearest part of taking a block.
//
// Threads: that of the Replicator.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "hyper/core/crypto.h"
#include "hyper/replication/core_messages.h"
#include "hyper/replication/run_beside.h"

namespace hnx::hyper {

// A smaller block costs less than handing it over.
inline constexpr std::size_t kHashedBesideBytesMin = std::size_t{16} << 10;
// Of one core that wait to be hashed; what comes beyond is hashed in place.
inline constexpr std::size_t kHashedBesideBytesMax = std::size_t{4} << 20;

class BlockHashing {
 public:
  // The answer, with bytes of its own, and the leaf's hash of its block.
  using OnHashed = std::function<void(const DataMessage& data, const Hash& leaf_hash)>;

  BlockHashing(RunBeside run_beside, OnHashed on_hashed);
  // Nothing is called any more.
  ~BlockHashing() = default;
  BlockHashing(const BlockHashing&) = delete;
  BlockHashing& operator=(const BlockHashing&) = delete;
  BlockHashing(BlockHashing&&) = delete;
  BlockHashing& operator=(BlockHashing&&) = delete;

  // True: OnHashed will be called. False: it is better done in place.
  bool Take(const DataMessage& data);

 private:
  struct State {
    OnHashed on_hashed;
    std::size_t bytes_waiting = 0;
  };

  const RunBeside run_beside_;
  const std::shared_ptr<State> state_;
};

}  // namespace hnx::hyper
