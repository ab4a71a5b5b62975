#include "nix/nix_base32.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace hnx::nix {
namespace {

Bytes Hex(std::string_view text) {
  return DecodeHex(text).value();
}

TEST(NixBase32Test, EncodesTheKnownSha256) {
  const Bytes digest = Hex("c6e155b3456e30b7612263ec095070811caf8abfd59faa72ab82a592efdeb253");
  const std::string text = "0lxjvvpr59c2mdram7ympy5ay741f180kv3349hvfc3f8nrmbqf6";
  EXPECT_EQ(EncodeNixBase32(digest), text);
  EXPECT_EQ(DecodeNixBase32(text, digest.size()).value(), digest);
}

TEST(NixBase32Test, DecodesWhatItEncodesForEveryLength) {
  for (std::size_t size = 0; size <= 64; ++size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = static_cast<std::byte>(37 * i + size);
    }
    const std::string text = EncodeNixBase32(bytes);
    EXPECT_EQ(text.size(), NixBase32Length(size));
    EXPECT_EQ(DecodeNixBase32(text, size).value(), bytes) << "size " << size;
  }
}

TEST(NixBase32Test, RefusesSpareBitsInTheFirstCharacter) {
  const std::string ones(51, '0');
  EXPECT_TRUE(DecodeNixBase32("1" + ones, 32).has_value());
  EXPECT_FALSE(DecodeNixBase32("2" + ones, 32).has_value());
  EXPECT_TRUE(DecodeNixBase32("7" + std::string(25, '0'), 16).has_value());
  EXPECT_FALSE(DecodeNixBase32("8" + std::string(25, '0'), 16).has_value());
  EXPECT_TRUE(DecodeNixBase32("3" + std::string(102, '0'), 64).has_value());
  EXPECT_FALSE(DecodeNixBase32("4" + std::string(102, '0'), 64).has_value());
}

TEST(NixBase32Test, RefusesTheFourMissingLettersAndUpperCase) {
  for (const char c : std::string("eoutEA-/ \x80")) {
    std::string text(32, '0');
    text[7] = c;
    EXPECT_FALSE(DecodeNixBase32(text, 20).has_value()) << c;
    EXPECT_FALSE(IsNixBase32(c)) << c;
  }
}

TEST(NixBase32Test, RefusesAnotherLength) {
  EXPECT_FALSE(DecodeNixBase32(std::string(31, '0'), 20).has_value());
  EXPECT_FALSE(DecodeNixBase32(std::string(33, '0'), 20).has_value());
  EXPECT_FALSE(DecodeNixBase32("", 20).has_value());
}

}  // namespace
}  // namespace hnx::nix
