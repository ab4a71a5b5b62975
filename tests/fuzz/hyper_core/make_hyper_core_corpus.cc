// Writes the seeds of oplog_fuzz and manifest_fuzz into the corpus folder that is named.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/keys.h"
#include "hyper/core/oplog.h"
#include "hyper/storage/memory_core_storage.h"

namespace hnx::hyper {
namespace {

constexpr std::byte kWholeFile{0};
constexpr std::byte kHeader{1};
constexpr std::byte kEntry{2};
constexpr std::byte kFramed{3};

void WriteSeed(const std::filesystem::path& file, ByteView bytes) {
  std::ofstream out(file, std::ios::binary);
  out << AsText(bytes);
  HNX_CHECK(out.good());
}

Bytes Seed(std::byte kind, ByteView bytes) {
  Bytes seed = {kind};
  AppendTo(seed, bytes);
  return seed;
}

Bytes Framed(const OplogHeader& header, const OplogEntry& entry) {
  const Bytes encoded = header.Encode();
  Bytes seed = {kFramed, static_cast<std::byte>(encoded.size()),
                static_cast<std::byte>(encoded.size() >> 8)};
  AppendTo(seed, encoded);
  AppendTo(seed, entry.Encode());
  return seed;
}

Manifest OneSigner(const KeyPair& pair) {
  return Manifest::SingleSigner(pair.public_key);
}

void MakeManifests(const std::filesystem::path& folder, const KeyPair& pair) {
  WriteSeed(folder / "single_signer", OneSigner(pair).Encode());
  Manifest many = OneSigner(pair);
  many.signers.push_back(many.signers[0]);
  many.quorum = 2;
  many.prologue = ManifestPrologue{Hash{}, 3};
  WriteSeed(folder / "two_signers_prologue", many.Encode());
  Manifest version_0 = OneSigner(pair);
  version_0.version = 0;
  WriteSeed(folder / "version_0", version_0.Encode());
  Manifest linked = OneSigner(pair);
  linked.version = 2;
  linked.linked = {CoreKey{}};
  linked.user_data = ToBytes("user");
  WriteSeed(folder / "linked", linked.Encode());
}

void MakeOplogs(const std::filesystem::path& folder, const KeyPair& pair) {
  const auto files = std::make_shared<MemoryCoreFiles>();
  const Bytes& oplog = files->of(CoreFile::kOplog);
  auto core =
      Hypercore::Create(std::make_unique<MemoryCoreStorage>(files),
                        {OneSigner(pair), pair.Clone(), {{"corestore/name", ToBytes("db")}}})
          .value();
  for (int i = 0; i < 3; ++i) {
    const ByteView block = AsBytes("x");
    HNX_CHECK(core->Append(std::span(&block, 1)).has_value());
  }
  HNX_CHECK(core->Clear({BlockIndex(0), BlockIndex(1)}).has_value());
  WriteSeed(folder / "file_with_entries", Seed(kWholeFile, oplog));

  MemoryCoreStorage storage(files);
  const OplogContent content = ReadOplog(storage).value();
  WriteSeed(folder / "header", Seed(kHeader, content.header.Encode()));
  for (std::size_t i = 0; i < content.entries.size(); ++i) {
    WriteSeed(folder / ("entry_" + std::to_string(i)), Seed(kEntry, content.entries[i].Encode()));
  }
  WriteSeed(folder / "framed", Framed(content.header, content.entries[0]));
  OplogEntry drop;
  drop.bitfield = BitfieldUpdate{true, {BlockIndex(0), BlockIndex(100)}};
  drop.user_data = UserDataItem{"key", ToBytes("value")};
  WriteSeed(folder / "framed_drop", Framed(content.header, drop));

  HNX_CHECK(core->Flush().has_value());
  HNX_CHECK(core->Flush().has_value());
  WriteSeed(folder / "file_flushed", Seed(kWholeFile, oplog));
  Bytes torn = oplog;
  torn[30] ^= std::byte{1};
  WriteSeed(folder / "file_damaged_slot", Seed(kWholeFile, torn));
}

}  // namespace
}  // namespace hnx::hyper

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fputs("usage: make_hyper_core_corpus tests/fuzz/corpus\n", stderr);
    return 2;
  }
  const std::filesystem::path corpus(argv[1]);
  const hnx::Bytes seed(32, std::byte{7});
  const hnx::hyper::KeyPair pair = hnx::hyper::KeyPair::FromSeed(seed);
  for (const char* const target : {"manifest_fuzz", "oplog_fuzz"}) {
    std::filesystem::create_directories(corpus / target);
  }
  hnx::hyper::MakeManifests(corpus / "manifest_fuzz", pair);
  hnx::hyper::MakeOplogs(corpus / "oplog_fuzz", pair);
  return 0;
}
