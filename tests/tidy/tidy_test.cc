// Rules that matter are checks: layers, the place of third-party libraries, banned calls, reasons
// for suppressions. Reads the sources as text; the rules lie beside it in layers.txt and
// libraries.txt.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // relative to the repository
  std::vector<std::string> lines;
};

fs::path Root() {
  const char* root = std::getenv("HNX_SOURCE_DIR");
  return root == nullptr ? fs::current_path() : fs::path(root);
}

std::vector<std::string> ReadLines(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in.is_open()) << file;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> sources = [] {
    std::vector<Source> found;
    for (const char* top :
         {"libs", "coordinator", "worker", "gateway", "hyp", "deploy", "tests", "bench"}) {
      if (!fs::exists(Root() / top)) {
        continue;
      }
      for (auto it = fs::recursive_directory_iterator(Root() / top);
           it != fs::recursive_directory_iterator(); ++it) {
        if (it->path().filename() == "node_modules") {
          it.disable_recursion_pending();
          continue;
        }
        const auto extension = it->path().extension();
        if (extension == ".h" || extension == ".cc") {
          found.push_back({fs::relative(it->path(), Root()).string(), ReadLines(it->path())});
        }
      }
    }
    return found;
  }();
  return sources;
}

// "<key>: <words>" lines of a rule file, in file order.
std::vector<std::pair<std::string, std::vector<std::string>>> Rules(const std::string& name) {
  std::vector<std::pair<std::string, std::vector<std::string>>> rules;
  for (const std::string& line : ReadLines(Root() / "tests/tidy" / name)) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    const std::size_t colon = line.find(':');
    EXPECT_NE(colon, std::string::npos) << line;
    std::istringstream words(line.substr(colon + 1));
    std::vector<std::string> values;
    for (std::string word; words >> word;) {
      values.push_back(word);
    }
    rules.emplace_back(line.substr(0, colon), values);
  }
  return rules;
}

bool IsUnder(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

// The longest folder of layers.txt that holds `path`; empty when there is none.
std::string LayerOf(const std::string& path,
                    const std::vector<std::pair<std::string, std::vector<std::string>>>& layers) {
  std::string best;
  for (const auto& [folder, allowed] : layers) {
    if (IsUnder(path, folder) && folder.size() > best.size()) {
      best = folder;
    }
  }
  return best;
}

// The repository path that an include line with quotes means; empty for generated headers.
std::string IncludedPath(const std::string& include) {
  if (include.starts_with("hypercore_nixos/")) {
    return "proto/" + include;
  }
  for (const char* top : {"", "libs/"}) {
    if (fs::exists(Root() / (top + include))) {
      return top + include;
    }
  }
  return {};
}

TEST(TidyTest, DependenciesPointDown) {
  const auto layers = Rules("layers.txt");
  const std::regex include_line(R"(^\s*#include\s+"([^"]+)\".*)");
  for (const Source& source : Sources()) {
    const std::string layer = LayerOf(source.path, layers);
    ASSERT_FALSE(layer.empty()) << source.path << " is in no layer of tests/tidy/layers.txt";
    const auto rule = std::find_if(layers.begin(), layers.end(),
                                   [&](const auto& entry) { return entry.first == layer; });
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_match(line, match, include_line)) {
        continue;
      }
      const std::string target = IncludedPath(match[1]);
      if (target.empty() || IsUnder(target, layer)) {
        continue;
      }
      const bool allowed = std::any_of(
          rule->second.begin(), rule->second.end(),
          [&](const std::string& folder) { return folder == "*" || IsUnder(target, folder); });
      EXPECT_TRUE(allowed) << source.path << " includes " << target << ", but " << layer
                           << " may not (tests/tidy/layers.txt)";
    }
  }
}

TEST(TidyTest, ThirdPartyLibrariesStayBehindTheirFolders) {
  const auto libraries = Rules("libraries.txt");
  for (const Source& source : Sources()) {
    for (const std::string& line : source.lines) {
      if (!line.starts_with("#include <")) {
        continue;
      }
      const std::string include = line.substr(10);
      for (const auto& [prefix, folders] : libraries) {
        if (!include.starts_with(prefix)) {
          continue;
        }
        const bool allowed =
            std::any_of(folders.begin(), folders.end(),
                        [&](const std::string& folder) { return source.path.starts_with(folder); });
        EXPECT_TRUE(allowed) << source.path << ": " << line << " (tests/tidy/libraries.txt)";
      }
    }
  }
}

struct Ban {
  std::string pattern;
  std::string instead;
  std::vector<std::string> except;  // path prefixes
};

TEST(TidyTest, BannedCallsHaveAReplacement) {
  const std::vector<Ban> bans = {
      {R"(system_clock::now|[^_a-z]time\(nullptr\)|gettimeofday)",
       "base/clock.h",
       {"libs/base/", "bench/", "tests/"}},
      {R"(\bstd::getenv|[^_]\bgetenv\()",
       "libs/cli options",
       // healthcheck's one argument is the name of a variable
       {"libs/base/crash_point.cc", "libs/cli/", "deploy/healthcheck/", "tests/", "bench/"}},
      {R"(sleep_for|sleep_until|\busleep\(|[^_]\bsleep\()",
       "a condition variable or LoopService",
       // a bounded pause between two runs of one blocking call
       {"bench/", "coordinator/store/pg_transaction.h"}},
      {R"(\bassert\()", "HNX_CHECK", {}},
      {R"(\bstd::endl\b)", "'\\n'", {}},
      {R"(\bsystem\()", "posix_spawn or fork and exec with arguments", {"tests/"}},
      {R"(\bmalloc\(|\bfree\()",
       "a container or unique_ptr",
       {"libs/nix/", "libs/http/", "tests/"}},
      {R"(using namespace (?!std::(chrono_|string_view_|string_)?literals))",
       "a using-declaration",
       {}},
  };
  for (const Ban& ban : bans) {
    const std::regex pattern(ban.pattern);
    for (const Source& source : Sources()) {
      if (source.path.starts_with("tests/tidy/") ||
          std::any_of(ban.except.begin(), ban.except.end(),
                      [&](const std::string& p) { return source.path.starts_with(p); })) {
        continue;
      }
      for (std::size_t i = 0; i < source.lines.size(); ++i) {
        if (source.lines[i].find("NOLINT(") != std::string::npos) {
          continue;  // with its reason, which another test asks for
        }
        const std::string code = source.lines[i].substr(0, source.lines[i].find("//"));
        EXPECT_FALSE(std::regex_search(code, pattern))
            << source.path << ":" << i + 1 << ": " << source.lines[i] << "\n  use " << ban.instead;
      }
    }
  }
}

TEST(TidyTest, SuppressionsAndUnfinishedWorkGiveTheirReason) {
  const std::regex bare_nolint(R"(NOLINT(NEXTLINE|BEGIN)?(\([^)]*\))?\s*$)");
  const std::regex todo(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  for (const Source& source : Sources()) {
    if (source.path.starts_with("tests/tidy/")) {
      continue;
    }
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(source.lines[i], bare_nolint))
          << source.path << ":" << i + 1 << ": a NOLINT without a reason";
      EXPECT_FALSE(std::regex_search(source.lines[i], todo))
          << source.path << ":" << i + 1 << ": finish it or file an issue";
    }
  }
}

TEST(TidyTest, EveryHeaderIsGuardedAndSaysWhatItIs) {
  for (const Source& source : Sources()) {
    if (!source.path.ends_with(".h") || source.path.starts_with("tests/")) {
      continue;
    }
    EXPECT_TRUE(std::find(source.lines.begin(), source.lines.end(), "#pragma once") !=
                source.lines.end())
        << source.path;
    ASSERT_FALSE(source.lines.empty()) << source.path;
    EXPECT_TRUE(source.lines[0].starts_with("//"))
        << source.path << " does not begin with its contract";
  }
}

TEST(TidyTest, EverySourceIsBuilt) {
  std::string cmake;
  for (auto it = fs::recursive_directory_iterator(Root()); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string name = it->path().filename().string();
    if (name == "build" || name == "node_modules" || name == ".git") {
      it.disable_recursion_pending();
    } else if (name == "CMakeLists.txt" || it->path().extension() == ".cmake") {
      for (const std::string& line : ReadLines(it->path())) {
        cmake += line + "\n";
      }
    }
  }
  for (const Source& source : Sources()) {
    if (source.path.ends_with(".cc")) {
      // By its name, or without the ending where a loop adds that.
      EXPECT_NE(cmake.find(fs::path(source.path).stem().string()), std::string::npos)
          << source.path << " is in no CMakeLists.txt";
    }
  }
}

// Names of metrics in a text, a quote or backtick before each.
std::set<std::string> MetricNames(const std::vector<std::string>& lines) {
  static const std::regex name(R"(["'`](hnx_(coordinator|worker|gateway|swarm)_[a-z_]+)["'`])");
  std::set<std::string> names;
  for (const std::string& line : lines) {
    for (std::sregex_iterator at(line.begin(), line.end(), name), end; at != end; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

TEST(TidyTest, TheManualNamesEveryMetricAndNoOther) {
  std::set<std::string> made = MetricNames(ReadLines(Root() / "swarm/lib/metrics.mjs"));
  for (const Source& source : Sources()) {
    if (source.path.ends_with(".cc") || source.path.ends_with(".h")) {
      if (!source.path.starts_with("tests/") && !source.path.starts_with("bench/")) {
        made.merge(MetricNames(source.lines));
      }
    }
  }
  EXPECT_GT(made.size(), 100U);
  EXPECT_EQ(MetricNames(ReadLines(Root() / "docs/METRICS.md")), made);
}

}  // namespace
