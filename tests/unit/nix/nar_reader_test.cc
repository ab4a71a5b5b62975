// The canonical form and nothing else: the NAR part of the catalogue of bad inputs (A1 to A15).
#include "nix/nar_reader.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "inputs.h"
#include "nix/nar_writer.h"

namespace hnx::nix {
namespace {

using testing::Describe;
using testing::Directory;
using testing::Entry;
using testing::File;
using testing::Le64;
using testing::NarOf;
using testing::NestedDirectories;
using testing::ReasonWord;
using testing::Str;
using testing::Symlink;

// Writes down what it is told.
class Transcript final : public NarVisitor {
 public:
  Result<void> OnDirectory() override { return Note("dir"); }
  Result<void> OnDirectoryEnd() override { return Note("end"); }
  Result<void> OnEntry(std::string_view name) override { return Note(fmt::format("[{}]", name)); }
  Result<void> OnSymlink(std::string_view target) override {
    return Note(fmt::format("->{}", target));
  }
  Result<void> OnRegular(bool executable, std::uint64_t size) override {
    contents_.clear();
    return Note(fmt::format("{}{}", executable ? "exe" : "file", size));
  }
  Result<void> OnContents(ByteView piece) override {
    contents_.append(AsText(piece));
    return {};
  }
  Result<void> OnRegularEnd() override { return Note(fmt::format("'{}'", contents_)); }

  const std::string& text() const { return text_; }

 private:
  Result<void> Note(const std::string& word) {
    text_.append(text_.empty() ? "" : " ").append(word);
    return {};
  }
  std::string text_;
  std::string contents_;
};

Result<void> Read(std::string_view nar, NarVisitor* visitor = nullptr, std::size_t chunk = 0) {
  NarReader reader(visitor);
  for (std::size_t at = 0; at < nar.size();) {
    const std::string_view piece = nar.substr(at, chunk == 0 ? nar.size() : chunk);
    HNX_TRY(reader.Feed(AsBytes(piece)));
    at += piece.size();
  }
  HNX_TRY(reader.Finish());
  EXPECT_EQ(reader.offset(), nar.size());
  return {};
}

// Refused with `reason` whether it comes whole, in bytes or in words.
void ExpectRefused(std::string_view nar, std::string_view reason, std::string_view what = "") {
  for (const std::size_t chunk : {std::size_t{0}, std::size_t{1}, std::size_t{8}}) {
    const auto result = Read(nar, nullptr, chunk);
    EXPECT_EQ(ReasonWord(result), reason)
        << what << ", chunk " << chunk << ": " << Describe(result);
    if (!result.has_value()) {
      EXPECT_EQ(result.error().code, ErrorCode::kDataLoss);
    }
  }
}

void ExpectMalformed(std::string_view node, std::string_view what = "") {
  ExpectRefused(NarOf(node), "nar-malformed", what);
}

TEST(NarReaderTest, TellsWhatIsInside) {
  const std::string nar =
      NarOf(Directory({Entry("bin", Directory({Entry("sh", File("#!", true))})),
                       Entry("empty", File("")), Entry("link", Symlink("../x"))}));
  for (const std::size_t chunk : std::initializer_list<std::size_t>{0, 1, 3, 8, 13}) {
    Transcript transcript;
    ASSERT_TRUE(Read(nar, &transcript, chunk).has_value());
    EXPECT_EQ(transcript.text(),
              "dir [bin] dir [sh] exe2 '#!' end [empty] file0 '' [link] ->../x end");
  }
}

TEST(NarReaderTest, AcceptsEachKindOfRoot) {
  for (const std::string& node :
       {File(""), File("1234567"), File("12345678"), File("123456789"), File("x", true),
        Symlink("/etc/passwd"), Symlink("../.."), Symlink(std::string(4095, 't')), Directory({})}) {
    EXPECT_TRUE(Read(NarOf(node)).has_value());
  }
}

TEST(NarReaderTest, StopsWhereTheVisitorSaysSo) {
  class Refusing final : public NarVisitor {
    Result<void> OnEntry(std::string_view /*name*/) override { return Aborted("enough"); }
  } visitor;
  const auto result = Read(NarOf(Directory({Entry("a", File("x"))})), &visitor);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kAborted);
}

TEST(NarReaderTest, BadInputA01_WrongMagic) {
  ExpectRefused(Str("nix-archive-2") + File("x"), "nar-malformed");
  ExpectRefused("", "nar-truncated");
  ExpectRefused(std::string("\x0d\0\0\0", 4), "nar-truncated");
  ExpectRefused(Le64(std::uint64_t{1} << 63U) + "nix-archive-1", "nar-malformed");
  ExpectRefused(std::string("\0\0\0\0\0\0\0\x0d", 8) + "nix-archive-1" + std::string(3, '\0'),
                "nar-malformed");
  ExpectRefused("<html><body>error</body></html>", "nar-malformed");
  ExpectRefused(Str(kNarMagic), "nar-truncated");
  ExpectMalformed(Str("type") + Str("regular"), "no (");
}

TEST(NarReaderTest, BadInputA02_PaddingThatIsNotZero) {
  const std::string nar = NarOf(Directory({Entry("name", File("abc")), Entry("t", Symlink("x"))}));
  ASSERT_TRUE(Read(nar).has_value());
  int paddings = 0;
  for (std::size_t i = 8; i < nar.size(); ++i) {
    std::string changed = nar;
    changed[i] = '\1';
    if (nar[i] == '\0' && i % 8 != 0) {
      EXPECT_FALSE(Read(changed).has_value()) << "offset " << i;
      EXPECT_FALSE(Read(changed, nullptr, 1).has_value()) << "offset " << i;
      ++paddings;
    }
  }
  EXPECT_GT(paddings, 100);
}

TEST(NarReaderTest, BadInputA03_FieldsMissingTwiceOrOutOfOrder) {
  const std::string open = Str("(") + Str("type");
  const std::string regular = open + Str("regular");
  const std::string contents = Str("contents") + Str("x");
  const std::string executable = Str("executable") + Str("");
  ExpectMalformed(Str("(") + Str(")"), "type missing");
  ExpectMalformed(open + Str("fifo") + Str(")"), "type unknown");
  ExpectMalformed(regular + Str("type") + Str("regular") + contents + Str(")"), "type twice");
  ExpectMalformed(regular + Str(")"), "contents missing");
  ExpectMalformed(regular + contents + contents + Str(")"), "contents twice");
  ExpectMalformed(regular + Str("executable") + Str("yes") + contents + Str(")"), "value");
  ExpectMalformed(regular + executable + executable + contents + Str(")"), "executable twice");
  ExpectMalformed(regular + contents + executable + Str(")"), "executable after contents");
  ExpectMalformed(open + Str("directory") + executable + Str(")"), "executable on a directory");
  ExpectMalformed(open + Str("symlink") + executable + Str("target") + Str("x") + Str(")"));
  ExpectMalformed(regular + Str("fooooooooooooooooooooooooooooooooo"), "tag of 33 bytes");
}

TEST(NarReaderTest, BadInputA04_MisshapenEntries) {
  const std::string begin = Str("(") + Str("type") + Str("directory") + Str("entry") + Str("(");
  const std::string name = Str("name") + Str("a");
  const std::string node = Str("node") + File("x");
  const std::string end = Str(")") + Str(")");
  ASSERT_TRUE(Read(NarOf(begin + name + node + end)).has_value());
  ExpectMalformed(begin + end, "empty");
  ExpectMalformed(begin + node + end, "no name");
  ExpectMalformed(begin + name + end, "no node");
  ExpectMalformed(begin + name + node + node + end, "two nodes");
  ExpectMalformed(begin + node + name + end, "name after node");
  ExpectMalformed(begin + name + name + node + end, "two names");
  ExpectMalformed(begin + name + Str("extra") + Str("") + node + end, "extra tag");
  ExpectMalformed(Str("entry") + Str("(") + name + node + end, "entry at the root");
}

TEST(NarReaderTest, BadInputA05_NamesThatAreNone) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("/etc"), std::string("a\0b", 3), std::string(1, '\0'), std::string(256, 'n')}) {
    ExpectMalformed(Directory({Entry(name, File("x"))}), name);
  }
  EXPECT_TRUE(Read(NarOf(Directory({Entry(std::string(255, 'n'), File("x"))}))).has_value());
  const std::string begin = Str("(") + Str("type") + Str("directory") + Str("entry") + Str("(");
  ExpectMalformed(begin + Str("name") + Le64(std::uint64_t{1} << 40U) + "abcdefgh", "2^40");
}

TEST(NarReaderTest, BadInputA06_NamesNotStrictlyIncreasing) {
  ExpectMalformed(Directory({Entry("a", File("1")), Entry("a", File("2"))}), "duplicate");
  ExpectMalformed(Directory({Entry("b", File("1")), Entry("a", File("2"))}), "unsorted");
  ExpectMalformed(Directory({Entry("a", File("1")), Entry("B", File("2"))}), "locale order");
  ExpectMalformed(Directory({Entry("\xc3\xa9", File("1")), Entry("z", File("2"))}), "signed bytes");
  ExpectMalformed(
      Directory({Entry("a", Symlink("/tmp")), Entry("a", Directory({Entry("x", File("evil"))}))}),
      "symlink, then directory");
  EXPECT_TRUE(Read(NarOf(Directory({Entry("a", Directory({Entry("z", File("1"))})),
                                    Entry("b", Directory({Entry("a", File("2"))}))})))
                  .has_value());
}

TEST(NarReaderTest, BadInputA07_BadSymlinks) {
  const std::string begin = Str("(") + Str("type") + Str("symlink");
  ExpectMalformed(Symlink(""), "empty");
  ExpectMalformed(Symlink(std::string("a\0b", 3)), "NUL");
  ExpectMalformed(Symlink(std::string(4096, 't')), "4096");
  ExpectMalformed(begin + Str("target") + Str("a") + Str("target") + Str("b") + Str(")"), "twice");
  ExpectMalformed(begin + Str(")"), "no target");
}

TEST(NarReaderTest, BadInputA08_DepthIsBoundedWithoutRecursion) {
  EXPECT_TRUE(Read(NarOf(NestedDirectories(63))).has_value());
  ExpectMalformed(NestedDirectories(64), "64");
  std::string open;
  for (int i = 0; i < 20'000; ++i) {
    open += Str("(") + Str("type") + Str("directory") + Str("entry") + Str("(") + Str("name") +
            Str("a") + Str("node");
  }
  ExpectMalformed(open, "20,000");
}

TEST(NarReaderTest, BadInputA09_LengthsThatOverflow) {
  const std::string begin = Str("(") + Str("type") + Str("regular") + Str("contents");
  for (const std::uint64_t size :
       {~std::uint64_t{0}, ~std::uint64_t{7}, std::uint64_t{1} << 63U, (~std::uint64_t{0}) - 8}) {
    ExpectRefused(NarOf(begin + Le64(size) + std::string(64, 'x')), "nar-size-mismatch");
  }
  ExpectRefused(NarOf(begin + Le64(std::uint64_t{1} << 40U) + std::string(64, 'x')),
                "nar-truncated", "1 TiB");
  NarReader bounded(nullptr, 1000);
  const std::string nar = NarOf(begin + Le64(2000) + std::string(64, 'x'));
  EXPECT_EQ(ReasonWord(bounded.Feed(AsBytes(nar))), "nar-size-mismatch");
}

TEST(NarReaderTest, BadInputA10_TruncatedAtEveryByte) {
  const std::string nar =
      NarOf(Directory({Entry("a", File("contents", true)), Entry("b", Symlink("target")),
                       Entry("c", Directory({}))}));
  ASSERT_TRUE(Read(nar).has_value());
  for (std::size_t size = 0; size < nar.size(); ++size) {
    EXPECT_EQ(ReasonWord(Read(nar.substr(0, size))), "nar-truncated") << size;
  }
}

TEST(NarReaderTest, BadInputA11_BytesBehindTheEnd) {
  const std::string nar = NarOf(File("x"));
  for (const std::string& more :
       {std::string(8, '\0'), std::string("garbage!"), nar, Str(")"), std::string(1, '\0')}) {
    ExpectRefused(nar + more, "nar-trailing");
  }
}

TEST(NarReaderTest, BadInputA14_StrangeNamesAreLegal) {
  for (const std::string& name :
       {std::string("C:"), std::string("a\\b"), std::string("a\nb"), std::string("\xff\xfe"),
        std::string("..."), std::string(" "), std::string("con")}) {
    EXPECT_TRUE(Read(NarOf(Directory({Entry(name, File("x"))}))).has_value()) << name;
  }
  EXPECT_TRUE(Read(NarOf(Directory({Entry("A", File("x")), Entry("a", File("y"))}))).has_value());
}

TEST(NarReaderTest, BadInputA14_CaseHackNamesAreCounted) {
  const auto saw = [](const std::string& name) {
    NarReader reader;
    EXPECT_TRUE(reader.Feed(AsBytes(NarOf(Directory({Entry(name, File("x"))})))).has_value());
    return reader.saw_case_hack_name();
  };
  EXPECT_TRUE(saw("x~nix~case~hack~1"));
  EXPECT_FALSE(saw("x~nix~case~hack~"));
  EXPECT_FALSE(saw("x~nix~case~hack~1a"));
  EXPECT_FALSE(saw("x"));
}

TEST(NarReaderTest, BadInputA15_AMillionTinyFiles) {
  constexpr int kFiles = 1'000'000;
  NarReader reader;
  NarWriter writer([&](ByteView bytes) { return reader.Feed(bytes); });
  ASSERT_TRUE(writer.BeginDirectory().has_value());
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_TRUE(writer.Entry(fmt::format("{:07}", i)).has_value());
    ASSERT_TRUE(writer.Regular(false, AsBytes("x")).has_value());
  }
  ASSERT_TRUE(writer.EndDirectory().has_value());
  ASSERT_TRUE(writer.Finish().has_value());
  EXPECT_TRUE(reader.Finish().has_value());
}

TEST(NarReaderTest, BadInputA15_AFileOfTwoGibibytesIsSkippedInSpans) {
  constexpr std::uint64_t kSize = std::uint64_t{2} << 30U;
  const std::string piece(std::size_t{1} << 20U, 'x');
  NarReader reader;
  NarWriter writer([&](ByteView bytes) { return reader.Feed(bytes); });
  ASSERT_TRUE(writer.BeginRegular(false, kSize).has_value());
  for (std::uint64_t done = 0; done < kSize; done += piece.size()) {
    ASSERT_TRUE(writer.Contents(AsBytes(piece)).has_value());
  }
  ASSERT_TRUE(writer.EndRegular().has_value());
  ASSERT_TRUE(writer.Finish().has_value());
  EXPECT_TRUE(reader.Finish().has_value());
  EXPECT_GT(reader.offset(), kSize);
}

TEST(NarReaderTest, NeedsLittleMemory) {
  static_assert(sizeof(NarReader) < 32 * 1024);
}

}  // namespace
}  // namespace hnx::nix
