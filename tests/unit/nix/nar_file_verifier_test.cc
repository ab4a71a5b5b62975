// A NAR file against its narinfo: what only the whole chain of decoder, grammar and hashes can
// find.
#include "nix/nar_file_verifier.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "inputs.h"
#include "nix/content_check.h"

namespace hnx::nix {
namespace {

using testing::Bzip2;
using testing::Describe;
using testing::Directory;
using testing::Entry;
using testing::File;
using testing::NarOf;
using testing::ReasonWord;
using testing::Symlink;
using testing::Xz;
using testing::Zstd;

Hash HashOf(std::string_view bytes) {
  return Hash::FromSha256(Sha256::Of(AsBytes(bytes)));
}

NarExpectation Expect(Compression compression, const std::string& nar) {
  return {.compression = compression,
          .nar_hash = HashOf(nar),
          .nar_size = nar.size(),
          .file_hash = std::nullopt,
          .file_size = std::nullopt,
          .content_address = std::nullopt,
          .self_reference = std::nullopt};
}

Result<NarFileVerdict> Verify(const NarExpectation& expectation, std::string_view file,
                              std::size_t chunk = 0) {
  HNX_ASSIGN_OR_RETURN(const auto verifier, NarFileVerifier::Create(expectation));
  for (std::size_t at = 0; at < file.size();) {
    const std::string_view piece = file.substr(at, chunk == 0 ? file.size() : chunk);
    HNX_TRY(verifier->Feed(AsBytes(piece)));
    at += piece.size();
  }
  return verifier->Finish();
}

class NarFileVerifierTest : public ::testing::Test {
 protected:
  const std::string nar_ = NarOf(Directory({Entry("a", File(std::string(5000, 'x')))}));
  const std::string other_ = NarOf(Directory({Entry("a", File(std::string(5000, 'y')))}));
};

TEST_F(NarFileVerifierTest, PassesEachCompressionInAnyChunks) {
  for (const auto& [compression, file] :
       {std::pair{Compression::kNone, nar_}, std::pair{Compression::kXz, Xz(nar_)},
        std::pair{Compression::kZstd, Zstd(nar_)}, std::pair{Compression::kBzip2, Bzip2(nar_)}}) {
    for (const std::size_t chunk : std::initializer_list<std::size_t>{0, 1, 100}) {
      const auto verdict = Verify(Expect(compression, nar_), file, chunk);
      ASSERT_TRUE(verdict.has_value()) << CompressionName(compression) << Describe(verdict);
      EXPECT_EQ(verdict->file_size, file.size());
      EXPECT_EQ(verdict->file_hash, HashOf(file));
      EXPECT_EQ(verdict->nar_size, nar_.size());
      EXPECT_FALSE(verdict->file_hash_drift || verdict->file_size_drift);
    }
  }
}

TEST_F(NarFileVerifierTest, TakesItsExpectationFromTheNarInfo) {
  const auto info = testing::ParseSample(testing::SampleText());
  ASSERT_TRUE(info.has_value());
  const auto expectation = NarExpectation::Of(*info, Trust{});
  EXPECT_TRUE(Verify(expectation, NarOf(File("hello"))).has_value());
  EXPECT_FALSE(expectation.content_address.has_value());
}

TEST_F(NarFileVerifierTest, CountsDriftOfTheFileHashAndGoesOn) {
  NarExpectation expectation = Expect(Compression::kXz, nar_);
  expectation.file_hash = HashOf("as it was uploaded first");
  expectation.file_size = 1;
  const auto verdict = Verify(expectation, Xz(nar_));
  ASSERT_TRUE(verdict.has_value()) << Describe(verdict);
  EXPECT_TRUE(verdict->file_hash_drift);
  EXPECT_TRUE(verdict->file_size_drift);
}

TEST_F(NarFileVerifierTest, RepeatsItsFirstError) {
  const auto verifier = NarFileVerifier::Create(Expect(Compression::kXz, nar_)).value();
  const std::string file = Zstd(nar_);
  EXPECT_EQ(ReasonWord(verifier->Feed(AsBytes(file))), "compression-mismatch");
  EXPECT_EQ(ReasonWord(verifier->Feed(AsBytes(file))), "compression-mismatch");
  EXPECT_EQ(ReasonWord(verifier->Finish()), "compression-mismatch");
}

TEST_F(NarFileVerifierTest, BadInputN18_AnotherPathsHealthyNar) {
  const auto verdict = Verify(Expect(Compression::kZstd, nar_), Zstd(other_));
  EXPECT_EQ(ReasonWord(verdict), "nar-hash-mismatch");
  EXPECT_EQ(verdict.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(verdict.error().message.find(HashOf(other_).ToNix32()), std::string::npos);
}

TEST_F(NarFileVerifierTest, BadInputN19_OneBodyServesTheNarInfosWhoseNarHashItHas) {
  NarExpectation one = Expect(Compression::kXz, nar_);
  one.file_hash = HashOf(Xz(nar_));
  NarExpectation two = one;
  two.file_hash = HashOf("another upload");
  EXPECT_FALSE(Verify(one, Xz(nar_)).value().file_hash_drift);
  EXPECT_TRUE(Verify(two, Xz(nar_)).value().file_hash_drift);
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kXz, other_), Xz(nar_))), "nar-hash-mismatch");
}

TEST_F(NarFileVerifierTest, BadInputN22_BodyContradictsCompression) {
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kXz, nar_), Zstd(nar_))), "compression-mismatch");
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kNone, nar_), Xz(nar_))), "compression-mismatch");
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kNone, nar_), "<html>error</html>")),
            "compression-mismatch");
}

TEST_F(NarFileVerifierTest, BadInputN25_FileSizeBoundsNothing) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{1} << 63U}) {
    NarExpectation expectation = Expect(Compression::kXz, nar_);
    expectation.file_size = size;
    const auto verdict = Verify(expectation, Xz(nar_));
    ASSERT_TRUE(verdict.has_value()) << Describe(verdict);
    EXPECT_TRUE(verdict->file_size_drift);
  }
}

TEST_F(NarFileVerifierTest, BadInputS04_AlteredUnsignedFieldsAreCaughtByTheBody) {
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kBzip2, nar_), Xz(nar_))),
            "compression-mismatch");
}

TEST_F(NarFileVerifierTest, BadInputA10_TruncatedNar) {
  const std::string cut = nar_.substr(0, nar_.size() - 16);
  const auto bare = Verify(Expect(Compression::kNone, nar_), cut);
  EXPECT_EQ(ReasonWord(bare), "nar-truncated");
  EXPECT_EQ(bare.error().code, ErrorCode::kUnavailable);
  const auto packed = Verify(Expect(Compression::kXz, nar_), Xz(cut));
  EXPECT_EQ(ReasonWord(packed), "nar-truncated");
  EXPECT_EQ(packed.error().code, ErrorCode::kDataLoss);
}

TEST_F(NarFileVerifierTest, BadInputA11_BytesBehindTheNarEvenWhenSigned) {
  const std::string smuggled = nar_ + std::string(8, '\0');
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kXz, smuggled), Xz(smuggled))), "nar-trailing");
}

TEST_F(NarFileVerifierTest, BadInputA12_NarSizeOffByOne) {
  for (const int off : {-1, 1}) {
    NarExpectation expectation = Expect(Compression::kXz, nar_);
    expectation.nar_size += static_cast<std::uint64_t>(off);
    const auto verdict = Verify(expectation, Xz(nar_));
    EXPECT_EQ(ReasonWord(verdict), "nar-size-mismatch") << off;
    EXPECT_EQ(verdict.error().code, ErrorCode::kDataLoss);
  }
}

TEST_F(NarFileVerifierTest, BadInputA13_OtherContent) {
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kNone, nar_), other_)), "nar-hash-mismatch");
}

TEST_F(NarFileVerifierTest, BadInputA03_SignedButNotCanonical) {
  std::string odd = nar_;
  odd[odd.size() - 1] = '\1';
  const auto verdict = Verify(Expect(Compression::kXz, odd), Xz(odd));
  EXPECT_EQ(ReasonWord(verdict), "nar-malformed");
  EXPECT_EQ(verdict.error().code, ErrorCode::kDataLoss);
}

TEST_F(NarFileVerifierTest, BadInputX01_TruncatedStreamIsTransient) {
  const std::string file = Xz(nar_);
  const auto verdict = Verify(Expect(Compression::kXz, nar_), file.substr(0, file.size() - 4));
  EXPECT_EQ(ReasonWord(verdict), "stream-truncated");
  EXPECT_EQ(verdict.error().code, ErrorCode::kUnavailable);
}

TEST_F(NarFileVerifierTest, BadInputX08_BombStopsBehindNarSize) {
  for (const auto& [compression, bomb] :
       {std::pair{Compression::kXz, testing::XzOfZeros(std::uint64_t{64} << 20U)},
        std::pair{Compression::kZstd, testing::ZstdOfZeros(std::uint64_t{1} << 30U)}}) {
    // A NAR that goes on as zeros: only the size can stop it.
    const std::string begin = testing::Str("nix-archive-1") + testing::Str("(") +
                              testing::Str("type") + testing::Str("regular") +
                              testing::Str("contents") + testing::Le64(std::uint64_t{1} << 40U);
    NarExpectation expectation = Expect(compression, nar_);
    expectation.nar_size = std::uint64_t{2} << 40U;
    const auto unbounded = NarFileVerifier::Create(expectation).value();
    const auto bounded = NarFileVerifier::Create(Expect(compression, nar_)).value();
    const std::string head = compression == Compression::kXz ? Xz(begin) : Zstd(begin);
    EXPECT_TRUE(unbounded->Feed(AsBytes(head)).has_value());
    EXPECT_EQ(ReasonWord(bounded->Feed(AsBytes(head))), "nar-size-mismatch");
    EXPECT_LE(bounded->nar_bytes(), nar_.size());
    const auto plain = NarFileVerifier::Create(Expect(compression, nar_)).value();
    EXPECT_FALSE(plain->Feed(AsBytes(bomb)).has_value());
    EXPECT_LE(plain->nar_bytes(), nar_.size());
  }
}

TEST_F(NarFileVerifierTest, BadInputX09_AValidNarMayBeMostlyZeros) {
  constexpr std::size_t kSize = std::size_t{16} << 20U;
  const std::string nar = NarOf(File(std::string(kSize, '\0')));
  const auto verdict = Verify(Expect(Compression::kZstd, nar), Zstd(nar), 100);
  ASSERT_TRUE(verdict.has_value()) << Describe(verdict);
  EXPECT_TRUE(verdict->high_ratio);
}

TEST_F(NarFileVerifierTest, BadInputX11_SkippableFramesOnlyAreNoNar) {
  const std::string skippable = std::string("\x50\x2a\x4d\x18\x08\0\0\0", 8) + "skip me!";
  EXPECT_EQ(ReasonWord(Verify(Expect(Compression::kZstd, nar_), skippable)), "nar-truncated");
}

TEST_F(NarFileVerifierTest, BadInputA14_CaseHackNamesAreCounted) {
  const std::string nar = NarOf(Directory({Entry("x~nix~case~hack~1", File(""))}));
  EXPECT_TRUE(Verify(Expect(Compression::kNone, nar), nar).value().case_hack_name);
  EXPECT_FALSE(Verify(Expect(Compression::kNone, nar_), nar_).value().case_hack_name);
}

// ---- unsigned paths: S12 of the catalogue

class ContentAddressedFileTest : public NarFileVerifierTest {
 protected:
  using Method = ContentAddress::Method;
  static Hash Digest(HashAlgorithm algorithm, std::string_view bytes) {
    Hasher hasher(algorithm);
    hasher.Update(AsBytes(bytes));
    return hasher.Finish();
  }
  static std::string Outcome(const std::string& nar, Method method, const Hash& hash,
                             const std::optional<StorePathHash>& self = {}) {
    NarExpectation expectation = Expect(Compression::kNone, nar);
    expectation.content_address = ContentAddress(method, hash);
    expectation.self_reference = self;
    return ReasonWord(Verify(expectation, nar, 1000));
  }
  static constexpr std::string_view kMismatch = "content-address-content-mismatch";
};

TEST_F(ContentAddressedFileTest, BadInputS12_ContentMustHaveTheAddressedHash) {
  for (const HashAlgorithm algorithm : {HashAlgorithm::kMd5, HashAlgorithm::kSha1,
                                        HashAlgorithm::kSha256, HashAlgorithm::kSha512}) {
    EXPECT_EQ(Outcome(nar_, Method::kRecursive, Digest(algorithm, nar_)), "");
    EXPECT_EQ(Outcome(nar_, Method::kRecursive, Digest(algorithm, other_)), kMismatch);
    const std::string file = NarOf(File("content"));
    EXPECT_EQ(Outcome(file, Method::kFlat, Digest(algorithm, "content")), "");
    EXPECT_EQ(Outcome(file, Method::kFlat, Digest(algorithm, "contend")), kMismatch);
  }
  EXPECT_EQ(Outcome(NarOf(File("content")), Method::kText, HashOf("content")), "");
  EXPECT_EQ(Outcome(NarOf(File("content")), Method::kText, HashOf("")), kMismatch);
}

TEST_F(ContentAddressedFileTest, BadInputS12_FlatAndTextAreOnePlainFile) {
  for (const Method method : {Method::kFlat, Method::kText}) {
    EXPECT_EQ(Outcome(NarOf(File("x", true)), method, HashOf("x")), kMismatch);
    EXPECT_EQ(Outcome(NarOf(Symlink("x")), method, HashOf("x")), kMismatch);
    EXPECT_EQ(Outcome(NarOf(Directory({Entry("a", File("x"))})), method, HashOf("x")), kMismatch);
    EXPECT_EQ(Outcome(NarOf(Symlink("x")), method, HashOf("")), kMismatch);
  }
}

// The address and the path are what `nix store make-content-addressed` made of this content.
TEST_F(ContentAddressedFileTest, BadInputS12_SelfReferenceIsHashedModuloItself) {
  const StorePath path =
      StorePath::ParseBaseName("0p2a25vl51dl229yi9pcm4pkc4xkjd7b-hello-1.0").value();
  const Hash address =
      Hash::Parse("sha256:0lw68nxrqdxgjnx24dv5r5k0vz56zir6x1w1x60631whcjarmswd").value();
  const auto nar_about = [](const StorePath& self) {
    return NarOf(Directory({Entry("a", File(fmt::format("me: {}\n and again {} end",
                                                        self.ToString(), self.hash_part()))),
                            Entry("b", Symlink(self.ToString() + "/a"))}));
  };
  EXPECT_TRUE(
      ContentAddress(Method::kRecursive, address).Check(path, std::vector{path}).has_value());
  EXPECT_EQ(Outcome(nar_about(path), Method::kRecursive, address, path.hash()), "");
  // Another path in its place, or a place where it is left out, is another content.
  EXPECT_EQ(Outcome(nar_about(testing::PathOf('1', "hello-1.0")), Method::kRecursive, address,
                    path.hash()),
            kMismatch);
  EXPECT_EQ(Outcome(nar_about(path), Method::kRecursive, address), kMismatch);
}

TEST_F(ContentAddressedFileTest, ModuloHashDoesNotDependOnHowTheStreamIsCut) {
  const StorePathHash modulus = StorePathHash::Parse(std::string(31, '1') + "2").value();
  std::string text = "1111";
  for (int i = 0; i < 20; ++i) {
    text.append(modulus.text()).append(static_cast<std::size_t>(i), '1');
  }
  std::optional<Hash> whole;
  for (const std::size_t chunk : {text.size(), std::size_t{1}, std::size_t{31}, std::size_t{33}}) {
    ModuloHasher hasher(HashAlgorithm::kSha256, modulus);
    for (std::size_t at = 0; at < text.size(); at += chunk) {
      ASSERT_TRUE(hasher.Update(AsBytes(std::string_view(text).substr(at, chunk))).has_value());
    }
    const Hash hash = hasher.Finish();
    EXPECT_EQ(hash, whole.value_or(hash)) << chunk;
    whole = hash;
  }
}

}  // namespace
}  // namespace hnx::nix
