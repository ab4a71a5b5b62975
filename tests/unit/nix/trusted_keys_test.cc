// Who is believed: the signature part of the catalogue of bad inputs (S1 to S13).
#include "nix/trusted_keys.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "inputs.h"
#include "nix/base64.h"
#include "nix/fingerprint.h"

namespace hnx::nix {
namespace {

using testing::Describe;
using testing::MakeKey;
using testing::ParseSample;
using testing::PathOf;
using testing::ReasonWord;
using testing::SampleFields;
using testing::SampleText;
using testing::Trusting;
using testing::WithLine;

class TrustTest : public ::testing::Test {
 protected:
  Result<Trust> Verify(const std::string& text, const TrustPolicy& policy = {}) const {
    HNX_ASSIGN_OR_RETURN(const NarInfo info, ParseSample(text));
    return VerifyNarInfo(info, keys_, policy);
  }
  std::string Refusal(const std::string& text, const TrustPolicy& policy = {}) const {
    const auto trust = Verify(text, policy);
    if (!trust.has_value()) {
      EXPECT_EQ(trust.error().code, ErrorCode::kUnauthenticated) << Describe(trust);
    }
    return ReasonWord(trust);
  }
  // The sample as the content-addressed path that its NAR hash makes.
  static NarInfoFields ContentAddressed() {
    NarInfoFields fields = SampleFields();
    fields.references = {};
    fields.ca = ContentAddress(ContentAddress::Method::kRecursive, fields.nar_hash);
    fields.store_path = fields.ca->MakeStorePath("hello-1.0", {}, false).value();
    return fields;
  }
  static Result<Trust> VerifyFields(const NarInfoFields& fields, const SecretKey* key,
                                    const TrustedKeys& keys, const TrustPolicy& policy = {}) {
    HNX_ASSIGN_OR_RETURN(const NarInfo info,
                         NarInfo::Parse(RenderNarInfo(fields, key), fields.store_path.hash()));
    return VerifyNarInfo(info, keys, policy);
  }

  const SecretKey key_ = MakeKey("test-1");
  const TrustedKeys keys_ = Trusting(key_);
};

TEST_F(TrustTest, BelievesATrustedSignature) {
  const auto trust = Verify(SampleText());
  ASSERT_TRUE(trust.has_value()) << Describe(trust);
  EXPECT_EQ(trust->by, Trust::By::kSignature);
  EXPECT_EQ(trust->key_name, "test-1");
}

TEST_F(TrustTest, SignsTheFingerprintThatNixDefines) {
  const auto info = ParseSample(SampleText());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(Fingerprint(*info),
            fmt::format("1;/nix/store/{0}-hello-1.0;{1};{2};/nix/store/{3}-bash-5.2,/nix/store/"
                        "{4}-glibc-2.40",
                        std::string(32, '1'), info->nar_hash().ToNix32(), info->nar_size(),
                        std::string(32, '2'), std::string(32, '3')));
  const auto no_references = ParseSample(WithLine(SampleText(), "References", "References: "));
  EXPECT_TRUE(Fingerprint(no_references.value()).ends_with(";"));
}

TEST_F(TrustTest, BadInputS01_NoSignature) {
  EXPECT_EQ(Refusal(RenderNarInfo(SampleFields(), nullptr)), "signature-missing");
}

TEST_F(TrustTest, BadInputS02_OnlyAnUnknownKeyName) {
  const SecretKey other = MakeKey("other-1");
  const auto trust = Verify(RenderNarInfo(SampleFields(), &other));
  EXPECT_EQ(ReasonWord(trust), "signature-untrusted");
  EXPECT_NE(trust.error().message.find("other-1"), std::string::npos);
}

TEST_F(TrustTest, BadInputS03_RightNameWrongKey) {
  const SecretKey impostor = MakeKey("test-1", 9);
  EXPECT_EQ(Refusal(RenderNarInfo(SampleFields(), &impostor)), "signature-invalid");
}

TEST_F(TrustTest, BadInputS03_AnySignedFieldAltered) {
  const std::string text = SampleText();
  const Hash other = Hash::FromSha256(Sha256::Of(AsBytes("other")));
  EXPECT_EQ(
      Refusal(WithLine(text, "StorePath", "StorePath: " + PathOf('1', "hello-1.1").ToString())),
      "signature-invalid");
  EXPECT_EQ(Refusal(WithLine(text, "NarHash", "NarHash: " + other.ToNix32())), "signature-invalid");
  EXPECT_EQ(
      Refusal(WithLine(text, "NarSize", fmt::format("NarSize: {}", SampleFields().nar_size + 1))),
      "signature-invalid");
  EXPECT_EQ(
      Refusal(WithLine(text, "References", "References: " + PathOf('2', "bash-5.2").base_name())),
      "signature-invalid");
  EXPECT_EQ(Refusal(WithLine(text, "References", "References: ")), "signature-invalid");
}

TEST_F(TrustTest, BadInputS04_UnsignedFieldsAlteredLeaveTheSignatureValid) {
  std::string text = SampleText();
  const std::string digits = Hash::FromSha256(Sha256::Of(AsBytes("x"))).ToNix32Digits();
  text = WithLine(text, "URL", "URL: nar/" + digits + ".nar.xz");
  text = WithLine(text, "Compression", "Compression: xz");
  text = WithLine(text, "FileHash", "FileHash: sha256:" + digits);
  text = WithLine(text, "FileSize", "FileSize: 1");
  text = WithLine(text, "Deriver", "Deriver: unknown-deriver");
  EXPECT_EQ(Refusal(text), "");
}

TEST_F(TrustTest, BadInputS05_OneGoodSignatureAmongOthers) {
  const std::string unsigned_text = RenderNarInfo(SampleFields(), nullptr);
  const std::string bad = "Sig: " + key_.Sign("something else").ToString() + "\n";
  const std::string foreign = "Sig: " + MakeKey("other-1").Sign("x").ToString() + "\n";
  const std::string good = "Sig: " + SignNarInfo(SampleFields(), key_) + "\n";
  EXPECT_EQ(Refusal(unsigned_text + bad + good), "");
  EXPECT_EQ(Refusal(unsigned_text + good + bad), "");
  EXPECT_EQ(Refusal(unsigned_text + foreign + bad + foreign + good), "");
  EXPECT_EQ(Refusal(unsigned_text + foreign + bad), "signature-invalid");
}

TEST_F(TrustTest, BadInputS06_MalformedSignatureBesideAGoodOne) {
  for (const std::string line : {"Sig: ", "Sig: nocolon", "Sig: test-1:!!!", "Sig: test-1:AAAA"}) {
    const std::string text = SampleText() + line + "\n";
    EXPECT_EQ(ReasonWord(ParseSample(text)), "signature-malformed") << line;
    NarInfoPolicy lenient;
    lenient.allow_malformed_signatures = true;
    const auto info = ParseSample(text, lenient);
    ASSERT_TRUE(info.has_value()) << Describe(info);
    EXPECT_TRUE(info->has_flag(NarInfoFlag::kMalformedSignature));
    EXPECT_TRUE(VerifyNarInfo(*info, keys_).has_value());
  }
}

TEST_F(TrustTest, BadInputS09_KeysThatAreNotWhatTheOperatorMeant) {
  const std::string one = MakeKey("k", 1).public_key().ToString();
  const std::string two = MakeKey("k", 2).public_key().ToString();
  EXPECT_TRUE(TrustedKeys::ParseText(one + " " + one + "\n").has_value());
  EXPECT_EQ(ReasonWord(TrustedKeys::ParseText(one + " " + two)), "key-invalid");
  EXPECT_EQ(ReasonWord(TrustedKeys::ParseText("k:AAAA")), "key-invalid");
  EXPECT_EQ(ReasonWord(TrustedKeys::ParseText(MakeKey("k").ToSecretText())), "key-invalid");
}

TEST_F(TrustTest, ReadsSeveralKeysAndFindsThemByName) {
  const auto keys = TrustedKeys::ParseText(std::string(kNixosCacheKey) + "\n  " +
                                           key_.public_key().ToString() + " ");
  ASSERT_TRUE(keys.has_value()) << Describe(keys);
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_NE(keys->Find("cache.nixos.org-1"), nullptr);
  EXPECT_EQ(keys->Find("cache.nixos.org"), nullptr);
  EXPECT_TRUE(TrustedKeys::ParseText(" \n").value().empty());
}

TEST_F(TrustTest, BadInputS10_ContentAddressThatDoesNotRecompute) {
  NarInfoFields fields = ContentAddressed();
  EXPECT_TRUE(VerifyFields(fields, &key_, keys_).has_value());
  fields.ca = ContentAddress(ContentAddress::Method::kRecursive,
                             Hash::FromSha256(Sha256::Of(AsBytes("other"))));
  const auto trust = VerifyFields(fields, &key_, keys_);
  EXPECT_EQ(ReasonWord(trust), "content-address-mismatch");
  EXPECT_EQ(trust.error().code, ErrorCode::kUnauthenticated);
}

TEST_F(TrustTest, BadInputS11_ContentAddressesThatCannotBe) {
  NarInfoFields flat = ContentAddressed();
  flat.ca = ContentAddress(ContentAddress::Method::kFlat, flat.nar_hash);
  flat.references = {PathOf('2', "bash-5.2")};
  EXPECT_EQ(ReasonWord(VerifyFields(flat, &key_, keys_)), "content-address-invalid");
  NarInfoFields text = ContentAddressed();
  text.ca = ContentAddress(ContentAddress::Method::kText, text.nar_hash);
  text.references = {text.store_path};
  EXPECT_EQ(ReasonWord(VerifyFields(text, &key_, keys_)), "content-address-invalid");
  for (const std::string& ca :
       {std::string(), std::string("garbage"), "text:sha1:" + std::string(40, '0'),
        "text:r:sha256:" + std::string(64, '0'), "fixed:git:sha1:" + std::string(40, '0'),
        "fixed:x:sha256:" + std::string(64, '0'), "fixed:r:sha256:" + std::string(63, '0'),
        std::string("fixed:sha256"), std::string("fixed:r:")}) {
    EXPECT_EQ(ReasonWord(ParseSample(SampleText() + "CA: " + ca + "\n")), "content-address-invalid")
        << ca;
  }
}

TEST_F(TrustTest, BadInputS12_UnsignedContentAddressedPathNeedsThePolicy) {
  const NarInfoFields fields = ContentAddressed();
  EXPECT_EQ(ReasonWord(VerifyFields(fields, nullptr, keys_)), "signature-missing");
  TrustPolicy policy;
  policy.accept_unsigned_content_addressed = true;
  const auto trust = VerifyFields(fields, nullptr, keys_, policy);
  ASSERT_TRUE(trust.has_value()) << Describe(trust);
  EXPECT_EQ(trust->by, Trust::By::kContentAddress);
  NarInfoFields other = fields;
  other.references = {PathOf('2', "bash-5.2")};
  EXPECT_EQ(ReasonWord(VerifyFields(other, nullptr, keys_, policy)), "content-address-mismatch");
}

TEST_F(TrustTest, BadInputS13_SignatureForAnotherStoreDirectory) {
  const NarInfoFields fields = SampleFields();
  std::string fingerprint =
      Fingerprint(fields.store_path, fields.nar_hash, fields.nar_size, fields.references);
  for (std::size_t at = fingerprint.find("/nix/store"); at != std::string::npos;
       at = fingerprint.find("/nix/store", at)) {
    fingerprint.replace(at, kStoreDir.size(), "/gnu/store");
  }
  EXPECT_EQ(
      Refusal(RenderNarInfo(fields, nullptr) + "Sig: " + key_.Sign(fingerprint).ToString() + "\n"),
      "signature-invalid");
}

TEST_F(TrustTest, BadInputN11_SignatureOverUnsortedReferencesIsNotValid) {
  const NarInfoFields fields = SampleFields();  // their references are not in order
  const std::string legacy =
      key_.Sign(Fingerprint(fields.store_path, fields.nar_hash, fields.nar_size, fields.references))
          .ToString();
  EXPECT_EQ(Refusal(RenderNarInfo(fields, nullptr) + "Sig: " + legacy + "\n"), "signature-invalid");
}

TEST_F(TrustTest, BadInputN15_AnotherNameIsBelievedOnlyWhenSigned) {
  NarInfoFields renamed = SampleFields();
  renamed.store_path = PathOf('1', "hello-9");
  EXPECT_TRUE(VerifyFields(renamed, &key_, keys_).has_value());
}

}  // namespace
}  // namespace hnx::nix
