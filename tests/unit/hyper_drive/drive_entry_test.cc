#include "hyper/drive/drive_entry.h"

#include <gtest/gtest.h>

#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_path.h"

namespace hnx::hyper {
namespace {

Result<DriveEntry> Decode(std::string_view json) {
  return DecodeDriveEntryJson("/a", AsBytes(json));
}

TEST(DriveEntryTest, TakesFieldsInAnyOrderAndIgnoresOthers) {
  const auto entry = Decode(
      R"({"x":{},"metadata":{"z":1,"a":[]},"blob":{"byteLength":4,"byteOffset":3,"blockLength":2,)"
      R"("blockOffset":1},"linkname":null,"executable":true})");
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(*entry,
            (DriveEntry{"/a", true, std::nullopt, BlobId{1, 2, 3, 4}, R"({"z":1,"a":[]})"}));
}

TEST(DriveEntryTest, RefusesWhatIsNoEntry) {
  for (
      const char* json :
      {"", "null", "[]", "{", R"({"executable":1})", R"({"linkname":1})", R"({"blob":1})",
       R"({"blob":{}})",
       R"({"blob":{"blockOffset":-1,"byteOffset":0,"blockLength":0,"byteLength":0}})",
       R"({"blob":{"blockOffset":1.5,"byteOffset":0,"blockLength":0,"byteLength":0}})",
       R"({"blob":{"blockOffset":9007199254740992,"byteOffset":0,"blockLength":0,"byteLength":0}})",
       R"({"blob":{"blockOffset":18446744073709551615,"byteOffset":0,"blockLength":0,"byteLength":0}})",
       R"({"blob":{"blockOffset":0,"byteOffset":0,"blockLength":0,"byteLength":0,"blockMap":true}})",
       "{\"linkname\":\"\xff\"}"}) {
    const auto entry = Decode(json);
    ASSERT_FALSE(entry.has_value()) << json;
    EXPECT_EQ(entry.error().code, ErrorCode::kInvalidArgument) << json;
  }
}

TEST(DriveEntryTest, RefusesDepthAndSizeBeforeParsing) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(Decode(R"({"metadata":)" + deep).has_value());
  EXPECT_FALSE(Decode(std::string(kDriveEntryJsonBytesMax + 1, ' ')).has_value());
  EXPECT_TRUE(Decode(R"({"metadata":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["})").has_value());
}

TEST(DrivePathTest, ResolvesAsJavaScriptDoes) {
  EXPECT_EQ(*NormalizeDrivePath("a/b"), "/a/b");
  EXPECT_EQ(*NormalizeDrivePath("//a\\.\\b/../c/"), "/a/c");
  EXPECT_EQ(*NormalizeDriveFolder("/"), "");
  EXPECT_EQ(*NormalizeDriveFolder("/nar/"), "/nar");
}

TEST(DriveKeyTest, HasOneIdAndTwoSpellings) {
  const std::string hex(64, 'a');
  const auto key = DriveKey::Parse(hex);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->hex(), hex);
  EXPECT_EQ(key->id().size(), DriveKey::kIdChars);
  EXPECT_EQ(*DriveKey::Parse(key->id()), *key);
  EXPECT_EQ(*DriveKey::Parse(std::string(64, 'A')), *key);
}

TEST(DriveKeyTest, RefusesOtherSpellings) {
  const std::string id = DriveKey::Parse(std::string(64, '0'))->id();
  for (const std::string& text :
       {std::string(), std::string(63, 'a'), std::string(64, 'g'), std::string(52, 'Y'),
        std::string(52, '2'), id.substr(0, 51) + "b", "hyper://" + id, id + "/"}) {
    EXPECT_FALSE(DriveKey::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace hnx::hyper
