// DemoIndex: the entries of a mirror's index drive, made from a few releases, so that a test can
// spoil some of them before it writes the drive. Paths are known by numbers: path n refers to path
// n - 1, every tenth to none; names, hashes and contents are functions of the number. All NARs lie
// in one shard.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_reader.h"
#include "nix/signature.h"

namespace hnx::test {

struct DemoRelease {
  std::string channel = "demo";
  std::string name = "demo-1";
  std::vector<int> published;
  std::optional<int> missing = {};  // and `blocked` is blocked by it
  std::optional<int> blocked = {};
  int manifest_revision = 1;
  std::string submitted_at = "2026-11-01T12:00:00Z";
};

class DemoIndex {
 public:
  DemoIndex();

  // Narinfos, links, and the release's folder; the newest one added is `latest` of its channel.
  void Add(const DemoRelease& release);
  // Its folder, and these paths' narinfos, leave.
  void Remove(const DemoRelease& release, const std::vector<int>& paths);
  void WriteManifest(const DemoRelease& release, const std::string& channel);
  // Of path n by another key than the trusted one.
  std::string NarInfo(int path, const nix::SecretKey& key) const;
  // The drive at its next version, as a reader sees it. Always the same drive.
  std::unique_ptr<hyper::DriveReader> Write();

  static std::string HashOf(int path);
  static std::string FileOf(int path);
  static std::string StorePathOf(int path);
  static std::string NarInfoPathOf(int path);
  static std::string LinkPathOf(int path);
  std::string public_key() const { return key_.public_key().ToString(); }

  std::map<std::string, std::string> files;
  std::map<std::string, std::string> links;
  std::map<std::string, std::string> link_metadata;
  hyper::DriveKey shard;
  std::uint64_t shard_length = 100;
  std::uint64_t shard_bytes = 100'000;

 private:
  std::string Listing(const DemoRelease& release) const;
  void WriteMirrorJson();

  const nix::SecretKey key_;
  std::filesystem::path folder_;
  std::map<std::string, std::string> written_;  // path -> what was put there
};

std::string ZstdOf(const std::string& text);

}  // namespace hnx::test
