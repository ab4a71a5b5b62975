#include "nix/compression.h"

#include <gtest/gtest.h>

#include "inputs.h"

namespace hnx::nix {
namespace {

TEST(CompressionTest, KnowsItsNamesExactly) {
  EXPECT_EQ(ParseCompression("none").value(), Compression::kNone);
  EXPECT_EQ(ParseCompression("xz").value(), Compression::kXz);
  EXPECT_EQ(ParseCompression("zstd").value(), Compression::kZstd);
  EXPECT_EQ(ParseCompression("bzip2").value(), Compression::kBzip2);
  for (const std::string_view name : {"", "XZ", "xz ", "zst", "bz2", "br", "gzip", "lz4", "lzma"}) {
    EXPECT_EQ(testing::ReasonWord(ParseCompression(name)), "compression-unknown") << name;
  }
}

TEST(CompressionTest, RecognisesBodiesByTheirFirstBytes) {
  const auto sniff = [](const std::string& body) {
    return SniffFormat(AsBytes(body).first(std::min(body.size(), kSniffLength)));
  };
  const std::string nar = testing::NarOf(testing::File("x"));
  EXPECT_EQ(sniff(nar), "none");
  EXPECT_EQ(sniff(testing::Xz(nar)), "xz");
  EXPECT_EQ(sniff(testing::Zstd(nar)), "zstd");
  EXPECT_EQ(sniff(testing::Bzip2(nar)), "bzip2");
  EXPECT_EQ(sniff(testing::Gzip(nar)), "gzip");
  EXPECT_EQ(sniff(testing::LzmaAlone(nar)), "lzma");
  EXPECT_EQ(sniff("<html><body>"), "html");
  EXPECT_EQ(sniff("<!DOCTYPE html>"), "html");
  EXPECT_EQ(sniff(""), "unknown");
  EXPECT_EQ(sniff("404"), "unknown");
}

}  // namespace
}  // namespace hnx::nix
