#include "nix/nar_writer.h"

#include <random>

#include <gtest/gtest.h>

#include "inputs.h"
#include "nix/nar_reader.h"

namespace hnx::nix {
namespace {

using testing::Directory;
using testing::Entry;
using testing::File;
using testing::NarOf;
using testing::Symlink;

class NarWriterTest : public ::testing::Test {
 protected:
  std::string out_;
  NarWriter writer_{[this](ByteView bytes) {
    out_.append(AsText(bytes));
    return Result<void>{};
  }};
};

TEST_F(NarWriterTest, WritesTheCanonicalBytes) {
  ASSERT_TRUE(writer_.BeginDirectory().has_value());
  ASSERT_TRUE(writer_.Entry("bin").has_value());
  ASSERT_TRUE(writer_.BeginDirectory().has_value());
  ASSERT_TRUE(writer_.Entry("sh").has_value());
  ASSERT_TRUE(writer_.Regular(true, AsBytes("#!/bin/x")).has_value());
  ASSERT_TRUE(writer_.EndDirectory().has_value());
  ASSERT_TRUE(writer_.Entry("link").has_value());
  ASSERT_TRUE(writer_.Symlink("bin/sh").has_value());
  ASSERT_TRUE(writer_.EndDirectory().has_value());
  ASSERT_TRUE(writer_.Finish().has_value());
  EXPECT_EQ(out_, NarOf(Directory({Entry("bin", Directory({Entry("sh", File("#!/bin/x", true))})),
                                   Entry("link", Symlink("bin/sh"))})));
}

TEST_F(NarWriterTest, WritesAFileInPieces) {
  ASSERT_TRUE(writer_.BeginRegular(false, 5).has_value());
  ASSERT_TRUE(writer_.Contents(AsBytes("ab")).has_value());
  ASSERT_TRUE(writer_.Contents(AsBytes("cde")).has_value());
  ASSERT_TRUE(writer_.EndRegular().has_value());
  ASSERT_TRUE(writer_.Finish().has_value());
  EXPECT_EQ(out_, NarOf(File("abcde")));
}

TEST_F(NarWriterTest, RefusesWhatTheReaderWould) {
  EXPECT_FALSE(writer_.Finish().has_value());
  ASSERT_TRUE(writer_.BeginDirectory().has_value());
  for (const std::string& name : {std::string(), std::string("."), std::string(".."),
                                  std::string("a/b"), std::string(256, 'n')}) {
    EXPECT_FALSE(writer_.Entry(name).has_value()) << name;
  }
  ASSERT_TRUE(writer_.Entry("m").has_value());
  EXPECT_FALSE(writer_.Symlink("").has_value());
  ASSERT_TRUE(writer_.Symlink("x").has_value());
  EXPECT_FALSE(writer_.Entry("m").has_value());
  EXPECT_FALSE(writer_.Entry("a").has_value());
}

TEST_F(NarWriterTest, RefusesAnotherSizeThanAnnounced) {
  ASSERT_TRUE(writer_.BeginRegular(false, 2).has_value());
  EXPECT_FALSE(writer_.Contents(AsBytes("abc")).has_value());
  ASSERT_TRUE(writer_.Contents(AsBytes("a")).has_value());
  EXPECT_FALSE(writer_.EndRegular().has_value());
}

TEST_F(NarWriterTest, RefusesTooDeepDirectories) {
  for (std::size_t depth = 0; depth < kNarDirectoryDepthMax; ++depth) {
    ASSERT_TRUE(writer_.BeginDirectory().has_value());
    ASSERT_TRUE(writer_.Entry("a").has_value());
  }
  EXPECT_FALSE(writer_.BeginDirectory().has_value());
}

TEST(NarWriterFailureTest, PassesTheSinksErrorOn) {
  NarWriter writer([](ByteView) -> Result<void> { return ResourceExhausted("disk full"); });
  const auto result = writer.Regular(false, AsBytes("x"));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
}

// Random trees: what the writer writes the reader takes, in any chunks.
void WriteRandomNode(NarWriter& writer, std::mt19937_64& random, int depth) {
  const std::uint64_t kind = random() % (depth > 0 ? 4U : 2U);
  if (kind == 0) {
    ASSERT_TRUE(writer.Symlink("t" + std::to_string(random() % 1000)).has_value());
  } else if (kind == 1) {
    const std::string contents(random() % 50, 'c');
    ASSERT_TRUE(writer.Regular(random() % 2 == 0, AsBytes(contents)).has_value());
  } else {
    ASSERT_TRUE(writer.BeginDirectory().has_value());
    std::string name;
    for (std::uint64_t i = random() % 6; i > 0; --i) {
      name.push_back(static_cast<char>('a' + random() % 26));
      ASSERT_TRUE(writer.Entry(name).has_value());
      WriteRandomNode(writer, random, depth - 1);
    }
    ASSERT_TRUE(writer.EndDirectory().has_value());
  }
}

TEST(NarWriterPropertyTest, TheReaderTakesEveryTreeInAnyChunks) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::string nar;
    NarWriter writer([&](ByteView bytes) {
      nar.append(AsText(bytes));
      return Result<void>{};
    });
    WriteRandomNode(writer, random, 5);
    ASSERT_TRUE(writer.Finish().has_value());
    NarReader reader;
    for (std::size_t at = 0; at < nar.size();) {
      const std::string_view piece = std::string_view(nar).substr(at, 1 + random() % 40);
      ASSERT_TRUE(reader.Feed(AsBytes(piece)).has_value());
      at += piece.size();
    }
    EXPECT_TRUE(reader.Finish().has_value());
  }
}

}  // namespace
}  // namespace hnx::nix
