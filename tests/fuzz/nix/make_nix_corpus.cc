// Writes the seed corpora of the fuzz targets beside it, good inputs and bad ones, from the tests'
// own generators: make_nix_corpus tests/fuzz/corpus
#include <cstdio>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "base/check.h"
#include "base/file.h"
#include "inputs.h"
#include "nix/nar_reader.h"

namespace hnx::nix::testing {
namespace {

class Corpus {
 public:
  Corpus(const std::filesystem::path& root, const std::string& target) : folder_(root / target) {
    std::filesystem::create_directories(folder_);
  }
  void Add(const std::string& name, std::string_view content) const {
    HNX_CHECK(WriteFileDurably(folder_ / name, AsBytes(content)).has_value());
  }

 private:
  const std::filesystem::path folder_;
};

void WriteNarInfos(const std::filesystem::path& root) {
  const Corpus corpus(root, "nar_info_fuzz");
  const std::string text = SampleText();
  const NarInfoFields fields = SampleFields();
  corpus.Add("signed", text);
  corpus.Add("empty-references", WithLine(text, "References", "References: "));
  corpus.Add("no-references", WithLine(text, "References", ""));
  corpus.Add("hex-hash", WithLine(text, "NarHash", "NarHash: sha256:" + fields.nar_hash.ToHex()));
  corpus.Add("unknown-field", text + "System: x86_64-linux\n");
  corpus.Add("ca-recursive", text + "CA: fixed:r:" + fields.nar_hash.ToNix32() + "\n");
  corpus.Add("ca-text", text + "CA: text:" + fields.nar_hash.ToNix32() + "\n");
  corpus.Add(
      "url-query",
      WithLine(text, "URL", fmt::format("URL: {}?hash={}", fields.url, std::string(32, '1'))));
  corpus.Add("url-file", WithLine(text, "URL", "URL: file:///etc/hostname"));
  corpus.Add("crlf", WithLine(text, "NarSize", "NarSize: 1\r"));
  corpus.Add("sig-malformed", text + "Sig: test-1:AAAA\n");
  corpus.Add("duplicate", text + "NarSize: 1\n");
  corpus.Add("html", "<html>404</html>\n");
  corpus.Add("empty", "");
}

void WriteNars(const std::filesystem::path& root) {
  const Corpus corpus(root, "nar_reader_fuzz");
  corpus.Add("file", NarOf(File("contents")));
  corpus.Add("executable", NarOf(File("#!/bin/sh\n", true)));
  corpus.Add("empty-file", NarOf(File("")));
  corpus.Add("symlink", NarOf(Symlink("../target")));
  corpus.Add("empty-directory", NarOf(Directory({})));
  corpus.Add("directory", NarOf(Directory({Entry("a", File("1")), Entry("b", Symlink("a")),
                                           Entry("c", Directory({Entry("d", File("2"))}))})));
  corpus.Add("depth-63", NarOf(NestedDirectories(63)));
  corpus.Add("depth-64", NarOf(NestedDirectories(64)));
  corpus.Add("duplicate-names", NarOf(Directory({Entry("a", File("")), Entry("a", File(""))})));
  corpus.Add("name-dotdot", NarOf(Directory({Entry("..", File(""))})));
  corpus.Add("trailing", NarOf(File("x")) + std::string(8, '\0'));
  corpus.Add("huge-contents", NarOf(Str("(") + Str("type") + Str("regular") + Str("contents") +
                                    Le64(~std::uint64_t{7})));
  corpus.Add("magic-only", Str(kNarMagic));
}

void WriteStreams(const std::filesystem::path& root) {
  const std::string nar = NarOf(File(std::string(500, 'a') + "end"));
  const Corpus xz(root, "xz_decoder_fuzz");
  xz.Add("ok", Xz(nar));
  xz.Add("check-none", Xz(nar, LZMA_CHECK_NONE));
  xz.Add("check-sha256", Xz(nar, LZMA_CHECK_SHA256));
  xz.Add("two-streams", Xz(nar) + std::string(4, '\0') + Xz(nar));
  xz.Add("empty-stream", Xz(""));
  xz.Add("dictionary-3GiB", XzWithDictionaryByte(nar, 39));
  xz.Add("truncated", Xz(nar).substr(0, 40));
  xz.Add("trailing", Xz(nar) + "x");
  xz.Add("lzma-alone", LzmaAlone(nar));
  xz.Add("zeros", XzOfZeros(100'000));
  const Corpus zstd(root, "zstd_decoder_fuzz");
  const std::string skippable = std::string("\x50\x2a\x4d\x18\x08\0\0\0", 8) + "skip me!";
  zstd.Add("ok", Zstd(nar));
  zstd.Add("no-checksum", Zstd(nar, false));
  zstd.Add("two-frames", Zstd(nar) + Zstd(nar));
  zstd.Add("skippable", skippable + Zstd(nar));
  zstd.Add("window-2GiB", ZstdWithWindow(nar, 31));
  zstd.Add("content-size-of-nothing",
           std::string("\x28\xb5\x2f\xfd\xc0\x58", 6) + Le64(100) + std::string("\1\0\0", 3));
  zstd.Add("truncated", Zstd(nar).substr(0, 20));
  zstd.Add("zeros", ZstdOfZeros(100'000));
  const Corpus bzip2(root, "bzip2_decoder_fuzz");
  bzip2.Add("ok", Bzip2(nar));
  bzip2.Add("two-streams", Bzip2(nar) + Bzip2(nar));
  bzip2.Add("empty-stream", Bzip2(""));
  bzip2.Add("truncated", Bzip2(nar).substr(0, 30));
  bzip2.Add("trailing", Bzip2(nar) + "x");
}

void WriteStorePaths(const std::filesystem::path& root) {
  const Corpus corpus(root, "store_paths_fuzz");
  const std::string one = PathOf('1', "hello-1.0").ToString();
  const std::string two = PathOf('2', "hello-1.0.drv").ToString();
  corpus.Add("sorted", one + "\n" + two + "\n");
  corpus.Add("unsorted", two + "\n" + one + "\n" + two + "\n");
  corpus.Add("duplicate", one + "\n" + one + "\n");
  corpus.Add("no-final-newline", one + "\n" + two);
  corpus.Add("one-hash-two-names", one + "\n" + one + "x\n");
  corpus.Add("crlf", one + "\r\n");
  corpus.Add("sub-path", one + "/bin\n");
  corpus.Add("only-newline", "\n");
  corpus.Add("long-line", std::string(300, 'a'));
}

}  // namespace
void WriteCorpora(const std::filesystem::path& root) {
  WriteNarInfos(root);
  WriteNars(root);
  WriteStreams(root);
  WriteStorePaths(root);
}

}  // namespace hnx::nix::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fprintf(stderr, "usage: make_nix_corpus FOLDER\n");
    return 2;
  }
  hnx::nix::testing::WriteCorpora(argv[1]);
  return 0;
}
