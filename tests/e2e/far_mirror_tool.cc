// far_mirror_tool: mirrors that would take long to make by mirroring, for tests of who reads them
// from afar. Contents are noise; what is tested is how they are read.
//
//   far_mirror_tool index DIR PATHS   an index of PATHS narinfos and links, bulk loaded; one shard
//   far_mirror_tool large DIR BYTES   one path, whose NAR file has BYTES
//
// DIR/<id> for each drive. Prints one JSON object: the drives' ids, and one path to ask for.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "hyper/bee/hyperbee.h"
#include "hyper/blobs/hyperblobs.h"
#include "hyper/drive/content_core.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_path.h"
#include "hyper/drive/hyperdrive.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"
#include "nix/hash.h"

namespace hnx {
namespace {

constexpr std::size_t kReferences = 8;  // a narinfo of about the mean size, 1 kB
constexpr std::size_t kSmallNarBytes = 2000;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr int kContentBatch = 2000;  // blobs a commit

template <class T>
T Must(Result<T> result) {
  if (!result) {
    std::cerr << result.error().ToString() << "\n";
    std::exit(1);
  }
  return *std::move(result);
}
void Must(const Result<void>& result) {
  if (!result) {
    std::cerr << result.error().ToString() << "\n";
    std::exit(1);
  }
}

class Noise {
 public:
  std::string Nix32(std::size_t size) {
    constexpr std::string_view kAlphabet = "0123456789abcdfghijklmnpqrsvwxyz";
    std::string text(size, '0');
    for (char& c : text) {
      c = kAlphabet[random_() % kAlphabet.size()];
    }
    return text;
  }
  std::string Bytes(std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) {
      c = static_cast<char>(random_());
    }
    return text;
  }

 private:
  std::mt19937_64 random_{42};
};

std::string NarInfoText(Noise& noise, const std::string& hash, const std::string& file,
                        std::uint64_t size) {
  std::string text = "StorePath: /nix/store/" + hash + "-package-1.0\nURL: nar/" + file +
                     "\nCompression: none\nNarHash: sha256:" + file.substr(0, 52) +
                     "\nNarSize: " + std::to_string(size) + "\nReferences:";
  for (std::size_t i = 0; i < kReferences; ++i) {
    text += " " + noise.Nix32(32) + "-some-dependency-1.2.3";
  }
  return text + "\nSig: cache.example-1:" + std::string(86, 'A') + "==\n";
}

std::unique_ptr<hyper::Corestore> MakeStore(const std::filesystem::path& folder) {
  const auto temporary = folder / "new";
  std::filesystem::create_directories(temporary);
  std::string id;
  {
    const auto store = Must(hyper::Corestore::Create(temporary));
    id = Must(hyper::Hyperdrive::OpenOrCreate(*store))->key().id();
  }
  std::filesystem::rename(temporary, folder / id);
  return Must(hyper::Corestore::Open(folder / id));
}

std::string DescriptionOf(const hyper::DriveKey& shard, const hyper::DriveKey& content) {
  mirror::MirrorJson description;
  description.upstream = "https://cache.example";
  description.shards.push_back({shard, content, 0, 0});
  return description.Serialize();
}

// A drive whose entries are loaded at once.
class BulkDrive {
 public:
  explicit BulkDrive(const std::filesystem::path& folder)
      : store_(MakeStore(folder)), db_(Must(store_->OpenOrCreateNamed(hyper::kDriveDbName))) {
    content_ = Must(store_->OpenOrCreate(hyper::NewCore{
        hyper::ContentManifestOf(*db_->manifest(), db_->key()), Must(db_->CloneKeyPair()), {}}));
  }
  hyper::DriveKey key() const { return hyper::DriveKey(db_->key().bytes); }
  hyper::DriveKey content_key() const { return hyper::DriveKey(content_->key().bytes); }

  hyper::BlobId Stage(const std::string& content) {
    const auto blob = Must(hyper::StageBlob(*content_, AsBytes(content)));
    if (++staged_ % kContentBatch == 0) {
      Must(content_->Commit());
    }
    return blob;
  }
  void Put(std::string path, const hyper::BlobId& blob) {
    hyper::DriveEntry entry;
    entry.path = std::move(path);
    entry.blob = blob;
    Add(entry);
  }
  void Link(std::string path, std::string linkname) {
    hyper::DriveEntry entry;
    entry.path = std::move(path);
    entry.linkname = std::move(linkname);
    Add(entry);
  }
  void Load() {
    Must(content_->Commit());
    std::sort(entries_.begin(), entries_.end());
    auto next = entries_.begin();
    Must(hyper::Hyperbee(*db_).BulkLoad(
        entries_.size(), [&next]() -> Result<std::pair<Bytes, Bytes>> {
          const auto& [path, json] = *next++;
          return std::pair(hyper::EncodeDriveBeeKey(path), ToBytes(AsBytes(json)));
        }));
  }

 private:
  void Add(const hyper::DriveEntry& entry) {
    entries_.emplace_back(entry.path, Must(hyper::EncodeDriveEntryJson(entry)));
  }

  const std::unique_ptr<hyper::Corestore> store_;
  const std::unique_ptr<hyper::Hypercore> db_;
  std::unique_ptr<hyper::Hypercore> content_;
  std::vector<std::pair<std::string, std::string>> entries_;
  int staged_ = 0;
};

nlohmann::json MakeIndex(const std::filesystem::path& folder, int paths) {
  Noise noise;
  BulkDrive index(folder);
  BulkDrive shard(folder);
  const auto nar = shard.Stage(noise.Bytes(kSmallNarBytes));
  index.Put(std::string(mirror::kMirrorJsonPath),
            index.Stage(DescriptionOf(shard.key(), shard.content_key())));
  nlohmann::json made = {{"index", index.key().id()}, {"shard", shard.key().id()}};
  for (int i = 0; i < paths; ++i) {
    const auto hash = noise.Nix32(32);
    const auto file = "0" + noise.Nix32(51) + ".nar";
    index.Put(mirror::NarInfoPath(hash),
              index.Stage(NarInfoText(noise, hash, file, kSmallNarBytes)));
    index.Link(mirror::NarPath(file), mirror::DriveLink::Make(shard.key(), file));
    shard.Put(mirror::NarPath(file), nar);
    if (i == paths / 3) {
      made["narinfo"] = mirror::NarInfoPath(hash);
      made["nar"] = mirror::NarPath(file);
    }
  }
  index.Load();
  shard.Load();
  return made;
}

nlohmann::json MakeLarge(const std::filesystem::path& folder, std::uint64_t bytes) {
  Noise noise;
  const auto index_store = MakeStore(folder);
  const auto shard_store = MakeStore(folder);
  const auto index = Must(hyper::Hyperdrive::OpenOrCreate(*index_store));
  const auto shard = Must(hyper::Hyperdrive::OpenOrCreate(*shard_store));
  const auto hash = noise.Nix32(32);
  const auto file = "0" + noise.Nix32(51) + ".nar";
  nix::Sha256 hasher;
  {
    const auto batch = Must(shard->BeginBatch());
    auto stream = Must(batch->OpenWrite(mirror::NarPath(file)));
    for (std::uint64_t left = bytes; left > 0;) {
      const auto piece = noise.Bytes(std::min<std::uint64_t>(left, kPieceBytes));
      hasher.Update(AsBytes(piece));
      Must(stream.Write(AsBytes(piece)));
      left -= piece.size();
    }
    Must(stream.Finish());
    Must(batch->Commit());
  }
  Must(index->Put(mirror::kMirrorJsonPath,
                  AsBytes(DescriptionOf(shard->key(), shard->content_key()))));
  Must(index->Symlink(mirror::NarPath(file), mirror::DriveLink::Make(shard->key(), file)));
  Must(index->Put(mirror::NarInfoPath(hash), AsBytes(NarInfoText(noise, hash, file, bytes))));
  return {{"index", index->key().id()},
          {"shard", shard->key().id()},
          {"narinfo", mirror::NarInfoPath(hash)},
          {"nar", mirror::NarPath(file)},
          {"bytes", bytes},
          {"sha256", nix::Hash::FromSha256(hasher.Finish()).ToHex()}};
}

}  // namespace
}  // namespace hnx

int main(int argc, char** argv) {
  const std::string what = argc == 4 ? argv[1] : "";
  if (what != "index" && what != "large") {
    std::cerr << "usage: far_mirror_tool index DIR PATHS | far_mirror_tool large DIR BYTES\n";
    return 2;
  }
  const auto made = what == "index" ? hnx::MakeIndex(argv[2], std::stoi(argv[3]))
                                    : hnx::MakeLarge(argv[2], std::stoull(argv[3]));
  std::cout << made.dump() << "\n";
  return 0;
}
