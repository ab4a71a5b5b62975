// Looks at the programs that are shipped, with readelf: position-independent, relocations read-only
// before main, no stack that can be run, stack protector, checked functions of libc, no search path
// for libraries, nothing of the machine that built them.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

#ifdef __x86_64__
// Some are in what Debian's own objects bring along.
constexpr std::size_t kLandingPlacesMin = 1000;
#endif

std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): no other threads
  EXPECT_NE(value, nullptr) << name << " is not set; run by ctest";
  return value == nullptr ? std::string() : std::string(value);
}

std::string Readelf(const fs::path& file) {
  const std::string command = "LC_ALL=C readelf -W -h -l -d --dyn-syms '" + file.string() + "'";
  // NOLINTNEXTLINE(cert-env33-c): of a name that this test makes
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"),
                                                             &::pclose);
  std::string text;
  std::array<char, 4096> piece{};
  while (pipe != nullptr) {
    const std::size_t size = std::fread(piece.data(), 1, piece.size(), pipe.get());
    if (size == 0) {
      break;
    }
    text.append(piece.data(), size);
  }
  return text;
}

std::string Content(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::size_t CountOf(std::string_view what, const std::string& content) {
  std::size_t count = 0;
  for (auto at = content.find(what); at != std::string::npos; at = content.find(what, at + 1)) {
    ++count;
  }
  return count;
}

// What is wrong with a binary, by short names.
std::vector<std::string> ComplaintsAbout(const fs::path& file) {
  const std::string said = Readelf(file);
  const auto says = [&said](const char* pattern) {
    return std::regex_search(said, std::regex(pattern));
  };
  std::vector<std::string> complaints;
  const auto want = [&complaints](bool good, const char* name) {
    if (!good) {
      complaints.emplace_back(name);
    }
  };
  want(says("Type: +DYN \\(Position-Independent Executable"), "not position-independent");
  want(says("GNU_RELRO"), "no RELRO");
  want(says("\\(FLAGS\\)[^\\n]*BIND_NOW") && says("\\(FLAGS_1\\)[^\\n]*NOW"), "bound lazily");
  want(says("GNU_STACK[^\\n]* RW +0x") && !says("GNU_STACK[^\\n]* RWE"), "executable stack");
  want(!says("\\(TEXTREL\\)"), "text relocations");
  want(!says("\\((RPATH|RUNPATH)\\)"), "a search path for libraries");
  want(says("__stack_chk_fail@"), "no stack protector");
  want(says(" __[a-z_]+_chk@GLIBC"), "no checked functions");
  const std::string content = Content(file);
#ifdef __x86_64__
  // Where indirect branches may land. The note that turns the check on is lacking: Debian's start
  // files are not built for it, and the linker notes only what all of its input has.
  want(CountOf("\xf3\x0f\x1e\xfa", content) > kLandingPlacesMin, "no landing places");
#endif
  want(content.find(Environment("HNX_SOURCE_DIR")) == std::string::npos,
       "names the folder that it was built in");
  return complaints;
}

TEST(Hardening, EveryShippedProgramIsHardened) {
  const fs::path programs = Environment("HNX_BIN_DIR");
  for (const char* name : {"coordinator", "worker", "gateway", "hyp"}) {
    ASSERT_TRUE(fs::exists(programs / name)) << programs / name << " is not built";
    EXPECT_THAT(ComplaintsAbout(programs / name), testing::IsEmpty()) << name;
  }
}

TEST(Hardening, ComplainsOfAProgramThatIsNot) {
  const fs::path programs = Environment("HNX_BIN_DIR");
  std::vector<std::string> all = {"not position-independent",
                                  "no RELRO",
                                  "bound lazily",
                                  "executable stack",
                                  "a search path for libraries",
                                  "no stack protector",
                                  "no checked functions",
                                  "names the folder that it was built in"};
#ifdef __x86_64__
  all.emplace_back("no landing places");
#endif
  EXPECT_THAT(ComplaintsAbout(programs / "unhardened"), testing::UnorderedElementsAreArray(all));
}

}  // namespace
