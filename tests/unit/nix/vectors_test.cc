// Real narinfos, NARs and streams of public repositories, which are not part of this one. The tests
// run when HYPERCORE_NIXOS_VECTORS names the folder that holds them (with nix/ inside).
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "inputs.h"
#include "nix/decompressor.h"
#include "nix/fingerprint.h"
#include "nix/nar_file_verifier.h"
#include "nix/nar_reader.h"
#include "nix/store_paths_list.h"

namespace hnx::nix {
namespace {

using testing::Describe;
using testing::ReasonWord;

constexpr std::uint64_t kFileSizeMax = std::uint64_t{64} << 20U;

class NixVectorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("HYPERCORE_NIXOS_VECTORS");
    if (folder == nullptr || *folder == '\0') {
      GTEST_SKIP() << "HYPERCORE_NIXOS_VECTORS is not set: no real narinfos to test with";
    }
    folder_ = std::filesystem::path(folder) / "nix";
    ASSERT_TRUE(std::filesystem::is_directory(folder_)) << folder_ << " is no folder";
  }

  std::string Load(const std::filesystem::path& name) const {
    return ReadWholeFile(folder_ / name, kFileSizeMax).value();
  }
  // Rows of a table with a heading, split at tabs.
  std::vector<std::vector<std::string>> Rows(const std::filesystem::path& name) const {
    std::vector<std::vector<std::string>> rows;
    std::istringstream lines(Load(name));
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
      std::vector<std::string> row;
      std::istringstream fields(line);
      for (std::string field; std::getline(fields, field, '\t');) {
        row.push_back(field);
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }
  std::vector<std::string> Files(const std::filesystem::path& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / folder)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path folder_;
};

StorePathHash HashPartOf(std::string_view text) {
  constexpr std::string_view kPrefix = "StorePath: ";
  const std::size_t path = text.find(kPrefix) + kPrefix.size();
  const std::size_t begin = text.rfind('/', text.find('\n', path)) + 1;
  return StorePathHash::Parse(text.substr(begin, kStorePathHashLength)).value();
}

TrustedKeys NixosKeys() {
  return TrustedKeys::ParseText(kNixosCacheKey).value();
}

Result<std::string> Decode(Compression compression, std::string_view body,
                           std::size_t size_max = kFileSizeMax) {
  HNX_ASSIGN_OR_RETURN(const auto decompressor, Decompressor::Create(compression));
  std::string out;
  const Sink sink = [&](ByteView bytes) -> Result<void> {
    if (out.size() + bytes.size() > size_max) {
      return Aborted("longer than it may be");
    }
    out.append(AsText(bytes));
    return {};
  };
  HNX_TRY(decompressor->Feed(AsBytes(body), sink));
  HNX_TRY(decompressor->Finish(sink));
  return out;
}

Result<void> ReadNar(std::string_view nar) {
  NarReader reader;
  HNX_TRY(reader.Feed(AsBytes(nar)));
  return reader.Finish();
}

TEST_F(NixVectorsTest, LooseNarInfosAreBelievedAsTheTableSays) {
  // The table is about signatures, so the policy is as lenient as can be; these three invalid files
  // are refused for their form already.
  const std::map<std::string, std::string> refused_for_form = {
      {"gcc-7.4.0.bad1.narinfo", "reference-invalid"},
      {"gcc-7.4.0.bad3.narinfo", "store-path-invalid"},
      {"gcc-7.4.0.empty-references.narinfo", "narinfo-syntax"}};
  NarInfoPolicy policy;
  policy.allow_url_hash_query = true;
  policy.allow_suffix_mismatch = true;
  int count = 0;
  for (const auto& row : Rows("SIGNATURES.tsv")) {
    SCOPED_TRACE(row[0]);
    ++count;
    const std::string text = Load(std::filesystem::path("narinfo") / row[0]);
    const auto info = NarInfo::Parse(text, HashPartOf(text), policy);
    if (const auto refused = refused_for_form.find(row[0]); refused != refused_for_form.end()) {
      EXPECT_EQ(ReasonWord(info), refused->second);
      continue;
    }
    ASSERT_TRUE(info.has_value()) << Describe(info);
    EXPECT_EQ(info->text(), text);
    EXPECT_EQ(std::to_string(info->references().size()), row[4]);
    const auto trust = VerifyNarInfo(*info, NixosKeys());
    EXPECT_EQ(trust.has_value(), row[1] == "VALID") << Describe(trust);
    if (row[1] == "INVALID") {
      EXPECT_EQ(ReasonWord(trust), "signature-invalid");
    }
    if (row[1] == "none") {
      EXPECT_EQ(ReasonWord(trust), "signature-missing");
    }
    EXPECT_EQ(info->ca().has_value(), row[3] == "yes");
    if (row[3] == "yes") {
      TrustPolicy by_content;
      by_content.accept_unsigned_content_addressed = true;
      EXPECT_TRUE(VerifyNarInfo(*info, TrustedKeys::ParseText("").value(), by_content).has_value());
    }
  }
  EXPECT_EQ(count, 53);
}

TEST_F(NixVectorsTest, StrictPolicyRefusesTheAlteredCompression) {
  const std::string text = Load("narinfo/gcc-7.4.0.bad2.narinfo");
  EXPECT_EQ(ReasonWord(NarInfo::Parse(text, HashPartOf(text))), "compression-mismatch");
  const std::string query = Load("narinfo/hello-2.12.1.none-url-query.narinfo");
  EXPECT_EQ(ReasonWord(NarInfo::Parse(query, HashPartOf(query))), "url-refused");
}

TEST_F(NixVectorsTest, TheWholeCorpusIsBelieved) {
  const std::string corpus =
      Decode(Compression::kZstd, Load("narinfo/corpus-978.narinfo.zst")).value();
  int count = 0;
  for (std::size_t begin = 0; begin < corpus.size();) {
    const std::size_t end = std::min(corpus.find("\n\n", begin), corpus.size() - 1);
    const std::string text = corpus.substr(begin, end + 1 - begin);
    begin = end + 2;
    ++count;
    const auto info = NarInfo::Parse(text, HashPartOf(text));
    ASSERT_TRUE(info.has_value()) << Describe(info);
    const auto trust = VerifyNarInfo(*info, NixosKeys());
    EXPECT_TRUE(trust.has_value()) << Describe(trust);
  }
  EXPECT_EQ(count, 978);
}

TEST_F(NixVectorsTest, MalformedNarInfosAreTakenOrRefusedAsTheTableSays) {
  const StorePathHash requested = StorePathHash::Parse("vxsvx6afw7r628hf4gcl7j5ivqi1p8rg").value();
  const auto keys = TrustedKeys::ParseText(Load("narinfo-malformed/test-1.pub")).value();
  int count = 0;
  for (const auto& row : Rows("narinfo-malformed/EXPECTED.tsv")) {
    SCOPED_TRACE(row[0]);
    ++count;
    const std::string text = Load(std::filesystem::path("narinfo-malformed") / row[0]);
    const auto judge = [&]() -> Result<Trust> {
      HNX_ASSIGN_OR_RETURN(const NarInfo info, NarInfo::Parse(text, requested));
      return VerifyNarInfo(info, keys);
    };
    // Two spellings are accepted in themselves, but name other references than were signed; the
    // table judges the form. A name that differs is the signature's to refuse.
    const auto parsed = NarInfo::Parse(text, requested);
    if (row[3] == "accept") {
      EXPECT_TRUE(parsed.has_value()) << Describe(parsed);
    } else {
      const auto judged = judge();
      EXPECT_FALSE(judged.has_value());
      EXPECT_NE(ReasonWord(judged), "?") << Describe(judged);
    }
  }
  EXPECT_EQ(count, 88);
}

TEST_F(NixVectorsTest, ValidNarsAreAccepted) {
  int count = 0;
  for (const std::string& name : Files("nar")) {
    SCOPED_TRACE(name);
    ++count;
    std::string nar = Load(std::filesystem::path("nar") / name);
    if (name.ends_with(".xz")) {
      nar = Decode(Compression::kXz, nar).value();
    }
    const auto read = ReadNar(nar);
    EXPECT_TRUE(read.has_value()) << Describe(read);
  }
  EXPECT_EQ(count, 41);
}

TEST_F(NixVectorsTest, MalformedNarsAreRefused) {
  int count = 0;
  for (const std::string& name : Files("nar-malformed")) {
    SCOPED_TRACE(name);
    ++count;
    std::string nar = Load(std::filesystem::path("nar-malformed") / name);
    if (name.ends_with(".xz")) {
      nar = Decode(Compression::kXz, nar).value();
    }
    const auto read = ReadNar(nar);
    if (name == "nix-functional-unnormalized.nar") {
      // Two spellings of one accented letter: a collision on file systems that normalise names. For
      // Nix on Linux, and for the canonical form, names are bytes; it dumps these very bytes again.
      EXPECT_TRUE(read.has_value()) << Describe(read);
      continue;
    }
    EXPECT_FALSE(read.has_value());
    EXPECT_NE(ReasonWord(read), "?") << Describe(read);
  }
  EXPECT_EQ(count, 73);
}

TEST_F(NixVectorsTest, TheRealTripleVerifies) {
  const std::string text = Load("narinfo/net-tools.two-sigs.narinfo");
  const auto info = NarInfo::Parse(text, HashPartOf(text));
  ASSERT_TRUE(info.has_value()) << Describe(info);
  const auto trust = VerifyNarInfo(*info, NixosKeys());
  ASSERT_TRUE(trust.has_value()) << Describe(trust);
  const auto verifier = NarFileVerifier::Create(NarExpectation::Of(*info, *trust)).value();
  const std::string file = Load(std::filesystem::path("nar") / std::string(info->nar_file_name()));
  ASSERT_TRUE(verifier->Feed(AsBytes(file)).has_value());
  const auto verdict = verifier->Finish();
  ASSERT_TRUE(verdict.has_value()) << Describe(verdict);
  EXPECT_FALSE(verdict->file_hash_drift);
  EXPECT_FALSE(verdict->file_size_drift);
}

// File name -> the reason for which a NAR stream is refused; "" for a good one.
const std::map<std::string, std::string>& StreamOutcomes() {
  static const std::map<std::string, std::string> kOutcomes = {
      {"bad-checksum.nar.zst", "stream-corrupt"},
      {"bad-magic.nar.xz", "stream-corrupt"},
      {"bitflip-index.nar.xz", "stream-corrupt"},
      {"bitflip-middle.nar.xz", "stream-corrupt"},
      {"bitflip.nar.zst", "stream-corrupt"},
      {"check-crc32.nar.xz", ""},
      {"check-none.nar.xz", ""},
      {"check-sha256.nar.xz", ""},
      {"check-unsupported-id2.nar.xz", "stream-corrupt"},
      {"content-size-lie.nar.zst", "stream-limit"},
      {"dict-128MiB.nar.xz", ""},
      {"dict-1536MiB.nar.xz", "stream-limit"},
      {"dict-3GiB.nar.xz", "stream-limit"},
      {"dict-4GiB-1.nar.xz", "stream-limit"},
      {"dict-id-set.nar.zst", "stream-corrupt"},
      {"dict-invalid-41.nar.xz", "stream-corrupt"},
      {"empty-frame-then-data.nar.zst", ""},
      {"empty-stream-then-data.nar.xz", ""},
      {"leading-padding-bad.nar.xz", "stream-corrupt"},
      {"many-empty-streams-2000.nar.xz", ""},
      {"multistream-padded.nar.xz", ""},
      {"multistream-second-truncated.nar.xz", "stream-truncated"},
      {"multistream.nar.xz", ""},
      {"no-checksum.nar.zst", ""},
      {"ok.nar.bz2", ""},
      {"ok.nar.xz", ""},
      {"ok.nar.zst", ""},
      {"skippable-frame.nar.zst", ""},
      {"skippable-only.nar.zst", "nar-truncated"},
      {"stream-padding-3-bad.nar.xz", "stream-trailing"},
      {"stream-padding-4.nar.xz", ""},
      {"trailing-garbage.nar.xz", "stream-trailing"},
      {"trailing-garbage.nar.zst", "stream-trailing"},
      {"trailing-newline.nar.xz", "stream-trailing"},
      {"truncated-block.nar.xz", "stream-truncated"},
      {"truncated-footer.nar.xz", "stream-truncated"},
      {"truncated-header.nar.xz", "stream-truncated"},
      {"truncated-index.nar.xz", "stream-truncated"},
      {"truncated.nar.zst", "stream-truncated"},
      {"two-frames.nar.zst", ""},
      {"valid-nar-256MiB-zero.nar.xz", ""},
      {"valid-nar-256MiB-zero.nar.zst", ""},
      {"window-128MiB.nar.zst", ""},
      {"window-2GiB.nar.zst", "stream-limit"},
  };
  return kOutcomes;
}

Compression CompressionOf(std::string_view name) {
  for (const Compression compression :
       {Compression::kXz, Compression::kZstd, Compression::kBzip2}) {
    if (name.ends_with(CompressionSuffix(compression))) {
      return compression;
    }
  }
  return Compression::kNone;
}

Result<void> ReadCompressedNar(std::string_view body, Compression compression) {
  HNX_ASSIGN_OR_RETURN(const auto decompressor, Decompressor::Create(compression));
  NarReader reader;
  const Sink sink = [&](ByteView bytes) { return reader.Feed(bytes); };
  HNX_TRY(decompressor->Feed(AsBytes(body), sink));
  HNX_TRY(decompressor->Finish(sink));
  return reader.Finish();
}

TEST_F(NixVectorsTest, StreamsAreTakenOrRefusedAsTheirNamesSay) {
  std::size_t count = 0;
  for (const std::string& name : Files("stream")) {
    if (name.find(".nar.") == std::string::npos) {
      continue;
    }
    SCOPED_TRACE(name);
    const std::string body = Load(std::filesystem::path("stream") / name);
    const auto expected = StreamOutcomes().find(name);
    if (expected == StreamOutcomes().end()) {
      EXPECT_TRUE(name == "ok.nar.gz" || name == "ok.nar.lzma") << "no expectation";
      EXPECT_EQ(ReasonWord(ReadCompressedNar(body, Compression::kXz)), "compression-mismatch");
      continue;
    }
    ++count;
    const auto result = ReadCompressedNar(body, CompressionOf(name));
    EXPECT_EQ(ReasonWord(result), expected->second) << Describe(result);
  }
  EXPECT_EQ(count, StreamOutcomes().size());
}

TEST_F(NixVectorsTest, BombsStopWhereTheNarSizeEnds) {
  int count = 0;
  for (const std::string& name : Files("stream")) {
    if (!name.starts_with("bomb-")) {
      continue;
    }
    SCOPED_TRACE(name);
    ++count;
    const auto result =
        Decode(CompressionOf(name), Load(std::filesystem::path("stream") / name), 1'000'000);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kAborted);
  }
  EXPECT_EQ(count, 3);
}

Result<StorePathsSummary> ReadStorePaths(std::string_view body) {
  HNX_ASSIGN_OR_RETURN(const auto decompressor, Decompressor::Create(Compression::kXz));
  StorePathsList list([](const StorePath&) { return Result<void>{}; });
  const Sink sink = [&](ByteView bytes) { return list.Feed(bytes); };
  HNX_TRY(decompressor->Feed(AsBytes(body), sink));
  HNX_TRY(decompressor->Finish(sink));
  return list.Finish();
}

TEST_F(NixVectorsTest, StorePathsListsAreTakenOrRefusedAsTheirNamesSay) {
  const std::vector<std::string> good = {
      "drv", "duplicates", "name-211", "name-dotfile-ok", "no-final-newline", "ok", "unsorted"};
  int count = 0;
  for (const std::string& name : Files("stream")) {
    constexpr std::string_view kPrefix = "store-paths-";
    if (!name.starts_with(kPrefix)) {
      continue;
    }
    SCOPED_TRACE(name);
    ++count;
    const std::string what = name.substr(kPrefix.size(), name.find(".xz") - kPrefix.size());
    const auto summary = ReadStorePaths(Load(std::filesystem::path("stream") / name));
    const bool expected = std::find(good.begin(), good.end(), what) != good.end();
    EXPECT_EQ(summary.has_value(), expected) << Describe(summary);
    EXPECT_NE(ReasonWord(summary), "?") << Describe(summary);
  }
  EXPECT_EQ(count, 33);
}

TEST_F(NixVectorsTest, TheRealStorePathsListIsRead) {
  const auto summary = ReadStorePaths(Load("misc/store-paths-nixos-20.03.xz"));
  ASSERT_TRUE(summary.has_value()) << Describe(summary);
  EXPECT_EQ(summary->paths, 41'889U);
  EXPECT_EQ(summary->duplicates, 0U);
  EXPECT_TRUE(summary->sorted);
}

TEST_F(NixVectorsTest, TheMiniCacheVerifiesCompletely) {
  const auto keys = TrustedKeys::ParseText(Load("minicache/test-1.pub")).value();
  int count = 0;
  for (const std::string& name : Files("minicache")) {
    if (!name.ends_with(".narinfo")) {
      continue;
    }
    SCOPED_TRACE(name);
    ++count;
    const std::filesystem::path cache("minicache");
    const auto requested = StorePathHash::Parse(name.substr(0, kStorePathHashLength)).value();
    const auto info = NarInfo::Parse(Load(cache / name), requested);
    ASSERT_TRUE(info.has_value()) << Describe(info);
    TrustPolicy policy;
    policy.accept_unsigned_content_addressed = true;
    const auto trust = VerifyNarInfo(*info, keys, policy);
    ASSERT_TRUE(trust.has_value()) << Describe(trust);
    // The content address too, where there is one.
    NarExpectation expectation = NarExpectation::Of(*info, *trust);
    expectation.content_address = info->ca();
    const auto verifier = NarFileVerifier::Create(expectation).value();
    const std::string file = Load(cache / "nar" / std::string(info->nar_file_name()));
    ASSERT_TRUE(verifier->Feed(AsBytes(file)).has_value());
    const auto verdict = verifier->Finish();
    EXPECT_TRUE(verdict.has_value()) << Describe(verdict);
  }
  EXPECT_EQ(count, 4);
}

}  // namespace
}  // namespace hnx::nix
