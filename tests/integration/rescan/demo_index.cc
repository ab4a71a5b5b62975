#include "demo_index.h"

#include <array>
#include <atomic>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "mirror/drive_link.h"
#include "mirror/format/publish_format.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"
#include "nix/hash.h"
#include "nix/nar_info_sign.h"

namespace hnx::test {
namespace {

constexpr std::uint64_t kNarBytes = 1'000;

template <class T>
T Must(Result<T> result) {
  if (!result.has_value()) {
    ADD_FAILURE() << result.error().ToString();
    std::abort();
  }
  return *std::move(result);
}

nix::SecretKey KeyOf(std::uint8_t seed) {
  std::array<std::byte, 32> bytes{};
  bytes.fill(std::byte{seed});
  return Must(nix::SecretKey::FromSeed("demo-1", bytes));  // a throw-away
}

hyper::DriveKey ShardKey() {
  std::array<std::byte, 32> bytes{};
  bytes.fill(std::byte{7});
  return hyper::DriveKey(bytes);
}

std::string Hex(const std::string& content) {
  return nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(content))).ToHex();
}

}  // namespace

std::string ZstdOf(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  EXPECT_FALSE(ZSTD_isError(size));
  out.resize(size);
  return out;
}

DemoIndex::DemoIndex() : shard(ShardKey()), key_(KeyOf(1)) {
  static std::atomic<int> number{0};
  folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("rescan-{}-{}", ::getpid(), ++number);
  std::filesystem::create_directories(folder_);
}

std::string DemoIndex::HashOf(int path) {
  return fmt::format("{:0>32}", path);
}
std::string DemoIndex::FileOf(int path) {
  return fmt::format("{:0>52}.nar", path);
}
std::string DemoIndex::StorePathOf(int path) {
  return fmt::format("/nix/store/{}-p{}", HashOf(path), path);
}
std::string DemoIndex::NarInfoPathOf(int path) {
  return "/" + HashOf(path) + ".narinfo";
}
std::string DemoIndex::LinkPathOf(int path) {
  return "/nar/" + FileOf(path);
}

std::string DemoIndex::NarInfo(int path, const nix::SecretKey& key) const {
  const nix::Hash hash =
      nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(fmt::format("nar {}", path))));
  nix::NarInfoFields fields{.store_path = Must(nix::StorePath::Parse(StorePathOf(path))),
                            .url = "nar/" + FileOf(path),
                            .file_hash = hash,
                            .file_size = kNarBytes,
                            .nar_hash = hash,
                            .nar_size = kNarBytes,
                            .references = {},
                            .deriver = std::nullopt,
                            .ca = std::nullopt};
  if (path % 10 != 0) {
    fields.references.push_back(Must(nix::StorePath::Parse(StorePathOf(path - 1))));
  }
  return nix::RenderNarInfo(fields, &key);
}

std::string DemoIndex::Listing(const DemoRelease& release) const {
  std::string text;
  for (const int path : std::set<int>(release.published.begin(), release.published.end())) {
    text += fmt::format("{} {} {} {} {},{},1,{}\n", HashOf(path), FileOf(path), kNarBytes,
                        shard.id(), static_cast<std::uint64_t>(path) * kNarBytes, path, kNarBytes);
  }
  return ZstdOf(text);
}

void DemoIndex::WriteManifest(const DemoRelease& release, const std::string& channel) {
  const std::string folder = fmt::format("/channels/{}/{}/", release.channel, release.name);
  const std::string revision = "0123abcd";
  std::string unpublished;
  if (release.missing) {
    unpublished = fmt::format(R"({{"path":"{}","state":"missing","reason":"http-404"}})",
                              StorePathOf(*release.missing));
  }
  if (release.blocked) {
    unpublished += fmt::format(R"(,{{"path":"{}","state":"blocked","blockedBy":"{}"}})",
                               StorePathOf(*release.blocked), StorePathOf(*release.missing));
  }
  const std::size_t failed = (release.missing ? 1 : 0) + (release.blocked ? 1 : 0);
  files[folder + "git-revision"] = revision;
  files[folder + "manifest.json"] = fmt::format(
      R"({{"formatVersion":1,"channel":"{}","release":"{}","revision":"{}","sourceUrl":"https://r/{}",)"
      R"("upstream":"http://upstream","match":[],"exclude":[],"manifestRevision":{},)"
      R"("submittedAt":"{}","settledAt":"{}",)"
      R"("paths":{{"total":{},"published":{},"missing":{},"setAside":0,"blocked":{}}},)"
      R"("nars":{{"published":{},"bytes":{},"fileHashDrift":0}},)"
      R"("releaseFiles":[{{"name":"git-revision","size":{},"sha256":"{}"}}],"unpublished":[{}]}})",
      channel, release.name, revision, release.name, release.manifest_revision,
      release.submitted_at, release.submitted_at, release.published.size() + failed,
      release.published.size(), release.missing ? 1 : 0, release.blocked ? 1 : 0,
      release.published.size(), release.published.size() * kNarBytes, revision.size(),
      Hex(revision), unpublished);
}

void DemoIndex::Add(const DemoRelease& release) {
  for (const int path : release.published) {
    files[NarInfoPathOf(path)] = NarInfo(path, key_);
    links[LinkPathOf(path)] = mirror::DriveLink::Make(shard, FileOf(path));
    link_metadata[LinkPathOf(path)] =
        mirror::LinkMetadata(static_cast<std::uint64_t>(path) * kNarBytes,
                             static_cast<std::uint64_t>(path), 1, kNarBytes);
  }
  WriteManifest(release, release.channel);
  files[fmt::format("/channels/{}/{}/listing.zst", release.channel, release.name)] =
      Listing(release);
  files[fmt::format("/channels/{}/latest", release.channel)] = release.name + "\n";
}

void DemoIndex::Remove(const DemoRelease& release, const std::vector<int>& paths) {
  const std::string folder = fmt::format("/channels/{}/{}/", release.channel, release.name);
  std::erase_if(files, [&](const auto& file) { return file.first.starts_with(folder); });
  for (const int path : paths) {
    files.erase(NarInfoPathOf(path));
  }
}

void DemoIndex::WriteMirrorJson() {
  mirror::MirrorJson json;
  json.upstream = "http://upstream";
  json.public_keys = {public_key()};
  json.shards = {{shard, shard, shard_length, shard_bytes}};
  files["/mirror.json"] = json.Serialize();
}

std::unique_ptr<hyper::DriveReader> DemoIndex::Write() {
  WriteMirrorJson();
  {
    const auto store = std::filesystem::exists(folder_ / "primary-key")
                           ? Must(hyper::Corestore::Open(folder_))
                           : Must(hyper::Corestore::Create(folder_));
    const auto drive = Must(hyper::Hyperdrive::OpenOrCreate(*store));
    const auto batch = Must(drive->BeginBatch());
    std::map<std::string, std::string> wanted = files;
    for (const auto& [path, target] : links) {
      wanted[path] = target + "\n" + link_metadata[path];
    }
    for (const auto& [path, content] : written_) {
      if (!wanted.contains(path)) {
        EXPECT_TRUE(batch->Del(path).has_value());
      }
    }
    for (const auto& [path, content] : wanted) {
      const auto known = written_.find(path);
      if (known != written_.end() && known->second == content) {
        continue;
      }
      if (links.contains(path)) {
        EXPECT_TRUE(batch->Symlink(path, links[path], link_metadata[path]).has_value());
      } else {
        EXPECT_TRUE(batch->Put(path, AsBytes(content)).has_value());
      }
    }
    EXPECT_TRUE(batch->Commit().has_value());
    written_ = std::move(wanted);
  }
  return Must(hyper::DriveReader::Open({.folder = folder_, .key = std::nullopt}));
}

}  // namespace hnx::test
