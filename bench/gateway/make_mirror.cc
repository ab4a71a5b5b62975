// bench_gateway_data DIR COUNT LARGE_BYTES: the same content twice, for bench/gateway/run:
//
//   DIR/drives/<id>/   an index drive with COUNT narinfos and links, a shard drive with their NARs
//   DIR/files/         the same as plain files, for nginx
//   DIR/paths          the narinfos, one request path a line
//   DIR/nars           their NARs
//   DIR/key            the index drive's key
//
// The NARs are noise: what is measured is serving them. One more, nar/<0...>.nar, has LARGE_BYTES.
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "base/check.h"
#include "base/file.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"

namespace hnx {
namespace {

constexpr int kBatchFiles = 2000;
constexpr std::size_t kSmallNarBytes = 2000;
constexpr std::size_t kReferences = 8;  // a narinfo of about the mean size, 1 kB

template <class T>
T Must(Result<T> result) {
  if (!result) {
    std::cerr << result.error().ToString() << "\n";
    std::exit(1);
  }
  return *std::move(result);
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

struct Drive {
  std::unique_ptr<hyper::Corestore> store;
  std::unique_ptr<hyper::Hyperdrive> drive;
};

Drive MakeDrive(const std::filesystem::path& folder) {
  const auto temporary = folder / "new";
  std::filesystem::create_directories(temporary);
  std::string id;
  {
    const auto store = Must(hyper::Corestore::Create(temporary));
    id = Must(hyper::Hyperdrive::OpenOrCreate(*store))->key().id();
  }
  std::filesystem::rename(temporary, folder / id);
  Drive made;
  made.store = Must(hyper::Corestore::Open(folder / id));
  made.drive = Must(hyper::Hyperdrive::OpenOrCreate(*made.store));
  return made;
}

std::string NarInfoText(Noise& noise, const std::string& hash, const std::string& file) {
  std::string text = "StorePath: /nix/store/" + hash + "-package-1.0\nURL: nar/" + file +
                     "\nCompression: none\nFileHash: sha256:" + file.substr(0, 52) +
                     "\nFileSize: 2000\nNarHash: sha256:" + file.substr(0, 52) +
                     "\nNarSize: 2000\nReferences:";
  for (std::size_t i = 0; i < kReferences; ++i) {
    text += " " + noise.Nix32(32) + "-some-dependency-1.2.3";
  }
  return text + "\nSig: cache.example-1:" + std::string(86, 'A') + "==\n";
}

void WritePlain(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

void Make(const std::filesystem::path& folder, int count, std::size_t large_bytes) {
  Noise noise;
  std::filesystem::create_directories(folder / "files" / "nar");
  auto index = MakeDrive(folder / "drives");
  auto shard = MakeDrive(folder / "drives");
  mirror::MirrorJson description;
  description.upstream = "https://cache.example";
  description.shards.push_back({shard.drive->key(), shard.drive->content_key(), 0, 0});
  Must(index.drive->Put(mirror::kMirrorJsonPath, AsBytes(description.Serialize())));
  std::ofstream paths(folder / "paths");
  std::ofstream nars_list(folder / "nars");
  for (int done = 0; done < count; done += kBatchFiles) {
    const auto nars = Must(shard.drive->BeginBatch());
    const auto entries = Must(index.drive->BeginBatch());
    for (int i = done; i < std::min(count, done + kBatchFiles); ++i) {
      const auto hash = noise.Nix32(32);
      const auto file = "0" + noise.Nix32(51) + ".nar";
      const auto nar = noise.Bytes(kSmallNarBytes);
      const auto nar_info = NarInfoText(noise, hash, file);
      Must(nars->Put(mirror::NarPath(file), AsBytes(nar)));
      HNX_CHECK(
          entries->Symlink(mirror::NarPath(file), mirror::DriveLink::Make(shard.drive->key(), file))
              .has_value());
      Must(entries->Put(mirror::NarInfoPath(hash), AsBytes(nar_info)));
      WritePlain(folder / "files" / (hash + ".narinfo"), nar_info);
      WritePlain(folder / "files" / "nar" / file, nar);
      paths << mirror::NarInfoPath(hash) << "\n";
      nars_list << mirror::NarPath(file) << "\n";
    }
    Must(nars->Commit());
    Must(entries->Commit());
  }
  const std::string large = std::string(52, '0') + ".nar";
  const auto bytes = noise.Bytes(large_bytes);
  Must(shard.drive->Put(mirror::NarPath(large), AsBytes(bytes)));
  Must(index.drive->Symlink(mirror::NarPath(large),
                            mirror::DriveLink::Make(shard.drive->key(), large)));
  WritePlain(folder / "files" / "nar" / large, bytes);
  // Both answer for it, so that whoever starts them sees that they are up.
  WritePlain(folder / "files" / "nix-cache-info",
             "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
  WritePlain(folder / "key", index.drive->key().hex());
}

}  // namespace
}  // namespace hnx

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: bench_gateway_data DIR COUNT LARGE_BYTES\n";
    return 2;
  }
  hnx::Make(argv[1], std::stoi(argv[2]), std::stoull(argv[3]));
  return 0;
}
