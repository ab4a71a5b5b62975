// Every narinfo of the catalogue of bad inputs (N1 to N32) as far as it can be judged without a
// network, beside the ordinary ones.
#include "nix/nar_info.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "inputs.h"
#include "nix/base64.h"
#include "nix/fingerprint.h"

namespace hnx::nix {
namespace {

using testing::Describe;
using testing::ParseSample;
using testing::PathOf;
using testing::ReasonWord;
using testing::SampleFields;
using testing::SampleText;
using testing::WithLine;

class NarInfoTest : public ::testing::Test {
 protected:
  // The reason with which the sample is refused once `key`'s line reads `line`.
  static std::string Refusal(std::string_view key, std::string_view line) {
    return ReasonWord(ParseSample(WithLine(SampleText(), key, line)));
  }
  static Result<NarInfo> With(std::string_view key, std::string_view line) {
    return ParseSample(WithLine(SampleText(), key, line));
  }
  static std::string Digits() { return SampleFields().nar_hash.ToNix32Digits(); }
};

TEST_F(NarInfoTest, ReadsEveryField) {
  const auto info = ParseSample(SampleText());
  ASSERT_TRUE(info.has_value()) << Describe(info);
  const NarInfoFields fields = SampleFields();
  EXPECT_EQ(info->text(), SampleText());
  EXPECT_EQ(info->store_path(), fields.store_path);
  EXPECT_EQ(info->url(), fields.url);
  EXPECT_EQ(info->nar_file_name(), Digits() + ".nar");
  EXPECT_EQ(info->compression(), Compression::kNone);
  EXPECT_EQ(info->file_hash(), fields.file_hash);
  EXPECT_EQ(info->file_size(), fields.file_size);
  EXPECT_EQ(info->nar_hash(), fields.nar_hash);
  EXPECT_EQ(info->nar_size(), fields.nar_size);
  EXPECT_EQ(info->references(), (std::vector{PathOf('2', "bash-5.2"), PathOf('3', "glibc-2.40")}));
  EXPECT_EQ(info->deriver(), PathOf('4', "hello-1.0.drv"));
  ASSERT_EQ(info->signatures().size(), 1U);
  EXPECT_EQ(info->signatures()[0].key_name(), "test-1");
  EXPECT_FALSE(info->ca().has_value());
  EXPECT_EQ(info->flags(), 0U);
}

TEST_F(NarInfoTest, BadInputN01_EmptyOrHtml) {
  for (const std::string_view body :
       {"", "\n", " \r\n", "<html><body>404</body></html>\n", "<!DOCTYPE html>", "\n\n<html>\n"}) {
    const auto info = ParseSample(std::string(body));
    EXPECT_EQ(ReasonWord(info), "not-a-narinfo") << body;
    EXPECT_EQ(info.error().code, ErrorCode::kUnavailable) << body;
  }
  EXPECT_FALSE(ParseSample("404").has_value());
  EXPECT_FALSE(ParseSample("404\n").has_value());
}

TEST_F(NarInfoTest, BadInputN02_TruncatedAnywhere) {
  const std::string text = SampleText();
  for (std::size_t size = 1; size < text.size(); ++size) {
    const auto info = ParseSample(text.substr(0, size));
    if (text[size - 1] == '\n') {
      continue;  // whole lines: without its Sig it fails the signature, or a field is missing
    }
    EXPECT_EQ(ReasonWord(info), "narinfo-truncated") << size;
    EXPECT_EQ(info.error().code, ErrorCode::kUnavailable) << size;
  }
}

TEST_F(NarInfoTest, BadInputN03_BlankLines) {
  const std::string text = SampleText();
  EXPECT_EQ(ReasonWord(ParseSample("\n" + text)), "narinfo-syntax");
  EXPECT_EQ(ReasonWord(ParseSample(text + "\n")), "narinfo-syntax");
  for (const std::string key : {"NarSize", "References", "Sig"}) {
    std::string changed = text;
    changed.insert(text.find("\n" + key) + 1, "\n");
    EXPECT_EQ(ReasonWord(ParseSample(changed)), "narinfo-syntax") << key;
  }
}

TEST_F(NarInfoTest, BadInputN04_BytesThatAreNoPlainText) {
  std::string crlf;
  for (const char c : SampleText()) {
    crlf.append(c == '\n' ? "\r\n" : std::string(1, c));
  }
  EXPECT_EQ(ReasonWord(ParseSample(crlf)), "narinfo-syntax");
  EXPECT_EQ(ReasonWord(ParseSample("\xef\xbb\xbf" + SampleText())), "narinfo-syntax");
  for (const std::string& bytes :
       {std::string(1, '\0'), std::string("\xc3\xa9"), std::string("\x7f"), std::string("\x1b[2J"),
        std::string("\r"), std::string("\t")}) {
    EXPECT_EQ(Refusal("Compression", "Compression: none" + bytes), "narinfo-syntax");
    EXPECT_EQ(ReasonWord(ParseSample(SampleText() + "Note: a" + bytes + "b\n")), "narinfo-syntax");
  }
}

TEST_F(NarInfoTest, BadInputN05_ReferencesWithoutBlank) {
  EXPECT_EQ(Refusal("References", "References:"), "narinfo-syntax");
}

TEST_F(NarInfoTest, BadInputN06_NoReferencesLine) {
  const auto info = With("References", "");
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_TRUE(info->references().empty());
  const auto blank = With("References", "References: ");
  ASSERT_TRUE(blank.has_value()) << Describe(blank);
  EXPECT_TRUE(blank->references().empty());
}

TEST_F(NarInfoTest, BadInputN07_NarSizeWithoutBlank) {
  EXPECT_EQ(Refusal("NarSize", "NarSize:288"), "narinfo-syntax");
  EXPECT_EQ(Refusal("NarSize", "NarSize:\t288"), "narinfo-syntax");
  EXPECT_EQ(Refusal("NarSize", "NarSize:  288"), "nar-size-invalid");
  EXPECT_EQ(Refusal("NarSize", "NarSize : 288"), "narinfo-syntax");
  EXPECT_EQ(Refusal("NarSize", " NarSize: 288"), "narinfo-syntax");
  EXPECT_EQ(Refusal("NarSize", "narsize: 288"), "field-missing");
  EXPECT_EQ(Refusal("StorePath", "StorePath:  " + SampleFields().store_path.ToString()),
            "store-path-invalid");
  EXPECT_EQ(ReasonWord(ParseSample(SampleText() + "no colon here\n")), "narinfo-syntax");
  EXPECT_EQ(ReasonWord(ParseSample(SampleText() + "Note:x\n")), "narinfo-syntax");
}

TEST_F(NarInfoTest, BadInputN08_DuplicateFields) {
  const std::string text = SampleText();
  for (const std::string key : {"StorePath", "URL", "Compression", "FileHash", "FileSize",
                                "NarHash", "NarSize", "Deriver"}) {
    const std::size_t begin = key == "StorePath" ? 0 : text.find("\n" + key + ":") + 1;
    const std::string line = text.substr(begin, text.find('\n', begin) + 1 - begin);
    EXPECT_EQ(ReasonWord(ParseSample(text + line)), "field-duplicate") << key;
  }
}

TEST_F(NarInfoTest, BadInputN09_DuplicateReferencesOrCa) {
  EXPECT_EQ(ReasonWord(ParseSample(SampleText() + "References: \n")), "field-duplicate");
  EXPECT_EQ(ReasonWord(ParseSample(WithLine(SampleText(), "References", "References: ") +
                                   "References: \n")),
            "field-duplicate");
  const std::string ca = "CA: fixed:r:" + SampleFields().nar_hash.ToNix32() + "\n";
  EXPECT_TRUE(ParseSample(SampleText() + ca).has_value());
  EXPECT_EQ(ReasonWord(ParseSample(SampleText() + ca + ca)), "field-duplicate");
}

TEST_F(NarInfoTest, BadInputN10_RepeatedReference) {
  const std::string name = PathOf('3', "glibc-2.40").base_name();
  const auto info = With("References", fmt::format("References: {} {}", name, name));
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_EQ(info->references(), std::vector{PathOf('3', "glibc-2.40")});
  EXPECT_TRUE(info->has_flag(NarInfoFlag::kRepeatedReference));
  EXPECT_EQ(Fingerprint(*info).find(name), Fingerprint(*info).rfind(name));
}

TEST_F(NarInfoTest, BadInputN11_UnsortedReferences) {
  const auto info =
      With("References", fmt::format("References: {} {}", PathOf('3', "glibc-2.40").base_name(),
                                     PathOf('2', "bash-5.2").base_name()));
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_TRUE(info->has_flag(NarInfoFlag::kUnsortedReferences));
  EXPECT_EQ(info->references(), (std::vector{PathOf('2', "bash-5.2"), PathOf('3', "glibc-2.40")}));
}

TEST_F(NarInfoTest, BadInputN12_BadReferences) {
  const std::string good = std::string(32, '3');
  for (const std::string& name :
       {"/nix/store/" + good + "-a", std::string("../../etc/passwd"), "e" + good.substr(1) + "-a",
        "A" + good.substr(1) + "-a", good.substr(1) + "-a", "3" + good + "-a", good,
        good + "-" + std::string(212, 'n'), good + "-a/b"}) {
    EXPECT_EQ(Refusal("References", "References: " + name), "reference-invalid") << name;
    EXPECT_EQ(Refusal("References", "References: " + good + "-ok " + name), "reference-invalid");
  }
  EXPECT_TRUE(With("References", "References: " + good + "-" + std::string(211, 'n')).has_value());
}

TEST_F(NarInfoTest, TakesTwoBlanksBetweenReferencesForOneAsClientsDo) {
  const auto info =
      With("References", fmt::format("References: {}  {} ", PathOf('2', "bash-5.2").base_name(),
                                     PathOf('3', "glibc-2.40").base_name()));
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_EQ(info->references().size(), 2U);
}

TEST_F(NarInfoTest, BadInputN13_BadStorePath) {
  EXPECT_EQ(Refusal("StorePath", ""), "field-missing");
  const std::string base = SampleFields().store_path.base_name();
  for (const std::string& path :
       {std::string(), base, "/gnu/store/" + base, "/nix/store/" + base + "/bin",
        "/nix/store/" + base + "/", "/nix/store/../store/" + base, "/nix/store/" + base + " b"}) {
    EXPECT_EQ(Refusal("StorePath", "StorePath: " + path), "store-path-invalid") << path;
  }
}

TEST_F(NarInfoTest, BadInputN14_AnswerForAnotherPath) {
  EXPECT_EQ(Refusal("StorePath", "StorePath: " + PathOf('5', "hello-1.0").ToString()),
            "store-path-mismatch");
}

TEST_F(NarInfoTest, BadInputN15_AnotherNameParsesAndIsLeftToTheSignature) {
  const auto info = With("StorePath", "StorePath: " + PathOf('1', "hello-2.0").ToString());
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_NE(info->store_path(), SampleFields().store_path);
}

TEST_F(NarInfoTest, BadInputN16_UrlsThatLeadElsewhere) {
  EXPECT_EQ(Refusal("URL", ""), "field-missing");
  const std::string file = Digits() + ".nar";
  for (const std::string& url : {std::string(),
                                 "http://cache.example.org/nar/" + file,
                                 "https://x/nar/" + file,
                                 std::string("file:///etc/hostname"),
                                 "//host/nar/" + file,
                                 "/nar/" + file,
                                 "../nar/" + file,
                                 "nar/../nar/" + file,
                                 "nar/%2e%2e/" + file,
                                 "%2e%2e/nar/" + file,
                                 "nar\\" + file,
                                 "nar//" + file,
                                 "nar/" + file + "?x=1",
                                 "nar/" + file + "#a",
                                 "nar/" + file + "/..",
                                 "nar/" + file + ".exe",
                                 "nar/" + file + ".xz.xz",
                                 "nar/" + Digits() + ".tar",
                                 "nar/" + Digits().substr(1) + ".nar",
                                 "nar/0" + file,
                                 "nar/" + std::string(52, 'A') + ".nar",
                                 "nar/" + file + " ",
                                 " nar/" + file,
                                 std::string("nar/"),
                                 "nar/" + std::string(2000, '0') + ".nar",
                                 "NAR/" + file,
                                 file,
                                 "nar/" + file + "?hash=" + std::string(32, '1')}) {
    EXPECT_EQ(Refusal("URL", "URL: " + url), "url-refused") << url.substr(0, 80);
  }
  EXPECT_EQ(Refusal("URL", "URL: nar/" + std::string(1, '\0') + file), "narinfo-syntax");
}

TEST_F(NarInfoTest, BadInputN16_HashQueryOnlyWhereTheUpstreamMayAddOne) {
  NarInfoPolicy policy;
  policy.allow_url_hash_query = true;
  const std::string url = "URL: nar/" + Digits() + ".nar?hash=" + std::string(32, '1');
  const auto info = ParseSample(WithLine(SampleText(), "URL", url), policy);
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_EQ(info->nar_file_name(), Digits() + ".nar");
  for (const std::string query : {"?hash=", "?hash=../..", "?x=1", "?hash=1&hash=2", "?"}) {
    const std::string bad = "URL: nar/" + Digits() + ".nar" + query;
    EXPECT_EQ(ReasonWord(ParseSample(WithLine(SampleText(), "URL", bad), policy)), "url-refused");
  }
}

TEST_F(NarInfoTest, BadInputN17_UrlNamedByNarHash) {
  const auto info =
      With("FileHash", "FileHash: " + Hash::FromSha256(Sha256::Of(AsBytes("other"))).ToNix32());
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_EQ(info->nar_file_name(), info->nar_hash().ToNix32Digits() + ".nar");
}

TEST_F(NarInfoTest, BadInputN20_AbsentCompressionIsBzip2) {
  const std::string bz2 = WithLine(SampleText(), "URL", "URL: nar/" + Digits() + ".nar.bz2");
  for (const std::string_view line : {"", "Compression: "}) {
    const auto info = ParseSample(WithLine(bz2, "Compression", line));
    ASSERT_TRUE(info.has_value()) << Describe(info);
    EXPECT_EQ(info->compression(), Compression::kBzip2);
  }
  // The URL may say otherwise; the body will be refused then.
  EXPECT_EQ(With("Compression", "").value().compression(), Compression::kBzip2);
}

TEST_F(NarInfoTest, BadInputN21_UnknownCompression) {
  for (const std::string name : {"XZ", "None", "rar", "br", "lzip", "xz ", " xz", "zst"}) {
    EXPECT_EQ(Refusal("Compression", "Compression: " + name), "compression-unknown") << name;
  }
}

TEST_F(NarInfoTest, BadInputN22_CompressionContradictsTheUrl) {
  for (const std::string name : {"xz", "zstd", "bzip2"}) {
    EXPECT_EQ(Refusal("Compression", "Compression: " + name), "compression-mismatch") << name;
  }
  for (const std::string suffix : {".xz", ".zst", ".bz2", ".br", ".lz4", ".lzip", ".gz"}) {
    EXPECT_EQ(Refusal("URL", "URL: nar/" + Digits() + ".nar" + suffix), "compression-mismatch")
        << suffix;
  }
}

TEST_F(NarInfoTest, BadInputN23_NoFileHashOrFileSize) {
  const auto info = ParseSample(WithLine(WithLine(SampleText(), "FileHash", ""), "FileSize", ""));
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_FALSE(info->file_hash().has_value());
  EXPECT_FALSE(info->file_size().has_value());
}

TEST_F(NarInfoTest, BadInputN24_BadFileSize) {
  for (const std::string size :
       {"-1", "1.5", "18446744073709551616", "0", "", "0x10", "+1", "1 ", "00000000000000000001"}) {
    EXPECT_EQ(Refusal("FileSize", "FileSize: " + size), "file-size-invalid") << size;
  }
}

TEST_F(NarInfoTest, BadInputN25_FileSizeBoundsNothing) {
  for (const std::string size : {"1", "9223372036854775808"}) {
    EXPECT_TRUE(With("FileSize", "FileSize: " + size).has_value()) << size;
  }
}

TEST_F(NarInfoTest, BadInputN26_BadNarHash) {
  EXPECT_EQ(Refusal("NarHash", ""), "field-missing");
  const std::string zeros(52, '0');
  for (const std::string& hash :
       {std::string(), zeros, "sha256:" + zeros.substr(1), "sha256:2" + zeros.substr(1),
        "sha256:z" + zeros.substr(1), "sha256:0e" + zeros.substr(2), "md5:" + std::string(32, '0'),
        "sha1:" + std::string(40, '0'), "sha512:" + std::string(128, '0'), "sha257:" + zeros,
        "sha256: " + zeros, "blake3:" + zeros}) {
    EXPECT_EQ(Refusal("NarHash", "NarHash: " + hash), "hash-invalid") << hash;
  }
}

TEST_F(NarInfoTest, BadInputN26_OtherSpellingsOfSha256AreNormalised) {
  const Hash hash = SampleFields().nar_hash;
  std::string upper = hash.ToHex();
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  for (const std::string& text :
       {"sha256:" + hash.ToHex(), "sha256:" + upper, "sha256:" + EncodeBase64(hash.bytes()),
        "sha256-" + EncodeBase64(hash.bytes())}) {
    const auto info = With("NarHash", "NarHash: " + text);
    ASSERT_TRUE(info.has_value()) << Describe(info);
    EXPECT_NE(Fingerprint(*info).find(hash.ToNix32()), std::string::npos) << text;
  }
}

TEST_F(NarInfoTest, BadInputN27_BadNarSize) {
  EXPECT_EQ(Refusal("NarSize", ""), "field-missing");
  for (const std::string size : {"0", "", "-1", "+1", "0x10", "288 ", "1e3", "18446744073709551616",
                                 "18446744073709551615", "17179869185"}) {
    EXPECT_EQ(Refusal("NarSize", "NarSize: " + size), "nar-size-invalid") << size;
  }
  EXPECT_TRUE(With("NarSize", "NarSize: 17179869184").has_value());
  EXPECT_EQ(With("NarSize", "NarSize: 000288").value().nar_size(), 288U);
  NarInfoPolicy small;
  small.nar_size_max = 100;
  EXPECT_EQ(ReasonWord(ParseSample(SampleText(), small)), "nar-size-invalid");
}

TEST_F(NarInfoTest, BadInputN28_BadDeriver) {
  for (const std::string deriver : {"", "foo.drv", "../x.drv", "/nix/store/x.drv"}) {
    EXPECT_EQ(Refusal("Deriver", "Deriver: " + deriver), "deriver-invalid") << deriver;
  }
  EXPECT_EQ(Refusal("Deriver", "Deriver: " + PathOf('4', "hello").base_name()), "deriver-invalid");
  const auto unknown = With("Deriver", "Deriver: unknown-deriver");
  ASSERT_TRUE(unknown.has_value()) << Describe(unknown);
  EXPECT_FALSE(unknown->deriver().has_value());
  EXPECT_TRUE(With("Deriver", "").has_value());
}

TEST_F(NarInfoTest, BadInputN29_UnknownFieldsAreKept) {
  const std::string text = SampleText() + "System: x86_64-linux\nNewField:  two blanks\n";
  const auto info = ParseSample(text);
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_EQ(info->text(), text);
  EXPECT_TRUE(info->has_flag(NarInfoFlag::kUnknownField));
}

TEST_F(NarInfoTest, BadInputN30_FloodsStopAtTheLimits) {
  EXPECT_TRUE(
      ParseSample(SampleText() + "Note: " + std::string(4U << 20U, 'x') + "\n").has_value());
  EXPECT_EQ(ReasonWord(ParseSample(SampleText() + "Note: " + std::string(8U << 20U, 'x') + "\n")),
            "narinfo-limit");
  std::string many_signatures = SampleText();
  const std::string line = "Sig: " + testing::MakeKey("k").Sign("x").ToString() + "\n";
  for (std::size_t i = 1; i < kNarInfoSignaturesMax; ++i) {
    many_signatures.append(line);
  }
  EXPECT_TRUE(ParseSample(many_signatures).has_value());
  EXPECT_EQ(ReasonWord(ParseSample(many_signatures + line)), "narinfo-limit");
  std::string references = "References:";
  for (std::size_t i = 0; i <= kNarInfoReferencesMax; ++i) {
    references.append(" ").append(std::string(32, '2')).append("-a");
  }
  EXPECT_EQ(Refusal("References", references), "narinfo-limit");
}

TEST_F(NarInfoTest, BadInputN31_SelfReference) {
  const auto info = With("References", "References: " + SampleFields().store_path.base_name());
  ASSERT_TRUE(info.has_value()) << Describe(info);
  EXPECT_EQ(info->references(), std::vector{SampleFields().store_path});
}

TEST_F(NarInfoTest, BadInputN32_ResignedNarInfoHasTheSameIdentity) {
  const SecretKey other = testing::MakeKey("test-2", 2);
  const auto before = ParseSample(SampleText());
  const auto after = ParseSample(RenderNarInfo(SampleFields(), &other));
  ASSERT_TRUE(before.has_value() && after.has_value());
  EXPECT_NE(before->text(), after->text());
  EXPECT_EQ(before->store_path(), after->store_path());
  EXPECT_EQ(before->nar_hash(), after->nar_hash());
}

TEST_F(NarInfoTest, NamesThePathInEveryError) {
  const auto info = With("NarSize", "NarSize: 0");
  ASSERT_FALSE(info.has_value());
  EXPECT_NE(info.error().message.find(std::string(32, '1') + ".narinfo"), std::string::npos);
  EXPECT_NE(info.error().message.find("NarSize '0'"), std::string::npos);
}

}  // namespace
}  // namespace hnx::nix
