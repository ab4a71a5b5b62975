#include "coordinator/database/postgres_binaries.h"

#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "cli/environment.h"
#include "coordinator/database/child_process.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDebianRoot = "/usr/lib/postgresql";

// "postgres (PostgreSQL) 15.8 (Debian ...)" -> 15
std::optional<int> MajorVersionOf(const fs::path& postgres) {
  ChildSpec spec;
  spec.arguments = {postgres.string(), "--version"};
  const auto result = RunChild(std::move(spec));
  constexpr std::string_view kMark = "(PostgreSQL) ";
  if (!result || result->status != 0) {
    return std::nullopt;
  }
  const std::size_t at = result->output.find(kMark);
  if (at == std::string::npos) {
    return std::nullopt;
  }
  const char* begin = result->output.data() + at + kMark.size();
  int major = 0;
  const auto parsed = std::from_chars(begin, result->output.data() + result->output.size(), major);
  return parsed.ec == std::errc() ? std::optional(major) : std::nullopt;
}

std::vector<fs::path> Candidates(const std::vector<fs::path>& directories) {
  std::vector<fs::path> candidates;
  const auto add = [&](const fs::path& directory) {
    std::error_code error;
    // Links such as /usr/bin/postgres lead to the folder that holds all of them.
    const fs::path postgres = fs::canonical(directory / "postgres", error);
    if (!error && fs::exists(postgres.parent_path() / "initdb", error)) {
      candidates.push_back(postgres.parent_path());
    }
  };
  for (const fs::path& directory : directories) {
    add(directory);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kDebianRoot, error)) {
    add(entry.path() / "bin");
  }
  return candidates;
}

}  // namespace

Result<PostgresBinaries> FindPostgresBinaries(const std::vector<fs::path>& directories,
                                              std::optional<int> major) {
  std::optional<PostgresBinaries> best;
  for (const fs::path& directory : Candidates(directories)) {
    const auto version = MajorVersionOf(directory / "postgres");
    if (!version || (major ? *version != *major : *version < kPostgresMajorMin)) {
      continue;
    }
    if (!best || *version > best->major_version) {
      best = PostgresBinaries{directory, *version};
    }
  }
  if (!best) {
    const int wanted = major.value_or(kPostgresMajorMin);
    return FailedPrecondition(fmt::format(
        "find PostgreSQL {}: no postgres and initdb in PATH or {}/*/bin; install postgresql-{} or "
        "give --database",
        wanted, kDebianRoot, wanted));
  }
  return *best;
}

std::vector<fs::path> SearchPath() {
  std::vector<fs::path> directories;
  const std::string path =
      cli::EnvironmentVariable("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    if (end > begin) {
      directories.emplace_back(path.substr(begin, end - begin));
    }
    begin = end + 1;
  }
  return directories;
}

}  // namespace hnx::coordinator
