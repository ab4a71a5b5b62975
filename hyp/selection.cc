#include "hyp/selection.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "hyp/nar_audit.h"
#include "mirror/index_layout.h"
#include "nix/decompressor.h"
#include "nix/nar_info.h"

namespace hnx::hyp {

namespace {

constexpr std::size_t kListingLineBytesMax = 4096;

constexpr std::array<std::string_view, 3> kAlways = {mirror::kCacheInfoPath,
                                                     mirror::kMirrorJsonPath, mirror::kReadmePath};

std::string HashOfNarInfoPath(std::string_view path) {
  return std::string(path.substr(1, path.size() - 1 - mirror::kNarInfoSuffix.size()));
}

// What a pattern needs to know of one narinfo.
struct Known {
  bool matches = false;
  bool taken = false;
  std::string nar;  // "/nar/<file>"
  std::vector<std::string> references;
};

Result<Known> ReadNarInfo(const mirror::MirrorView& view, const std::string& path,
                          const std::regex& pattern) {
  HNX_ASSIGN_OR_RETURN(const auto hash, nix::StorePathHash::Parse(HashOfNarInfoPath(path)));
  HNX_ASSIGN_OR_RETURN(const auto text, view.ReadIndexFile(path, nix::kNarInfoSizeMax));
  if (!text) {
    return NotFound(path + ": the entry is no file");
  }
  HNX_ASSIGN_OR_RETURN(const auto info, nix::NarInfo::Parse(AsText(*text), hash));
  Known known;
  known.matches = std::regex_search(info.store_path().base_name(), pattern);
  known.nar = mirror::NarPath(info.nar_file_name());
  for (const nix::StorePath& reference : info.references()) {
    known.references.emplace_back(reference.hash_part());
  }
  return known;
}

}  // namespace

Result<Selection> Selection::Make(const mirror::MirrorView& view, const SelectionOptions& options) {
  Selection selection;
  selection.mirror_ = *view.mirror_json() != mirror::MirrorJson{};
  if (!options.release.empty()) {
    selection.everything_ = false;
    HNX_TRY(selection.ReadRelease(view, options.release));
  }
  if (options.match.empty()) {
    return selection;
  }
  std::regex pattern;
  try {
    pattern = std::regex(options.match, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    return InvalidArgument(fmt::format("pattern \"{}\": {}", options.match, error.what()));
  }
  if (selection.mirror_) {
    HNX_TRY(selection.ReadMatches(view, pattern));
  } else {
    selection.path_pattern_ = std::move(pattern);
  }
  selection.everything_ = false;
  return selection;
}

bool Selection::TakesOfIndex(std::string_view path) const {
  if (everything_) {
    return true;
  }
  if (path_pattern_) {
    return std::regex_search(path.begin(), path.end(), *path_pattern_);
  }
  if (NarAudit::IsNarInfoPath(path)) {
    return hashes_.contains(HashOfNarInfoPath(path));
  }
  if (path.starts_with(mirror::kNarFolder) &&
      path.substr(mirror::kNarFolder.size()).starts_with('/')) {
    return nars_.contains(std::string(path));
  }
  for (const std::string_view always : kAlways) {
    if (path == always) {
      return true;
    }
  }
  return !release_folder_.empty() && (path.starts_with(release_folder_) || path == latest_path_);
}

bool Selection::TakesOfShard(std::string_view path) const {
  return everything_ || nars_.contains(std::string(path));
}

Result<void> Selection::ReadRelease(const mirror::MirrorView& view, const std::string& name) {
  const std::size_t slash = name.find('/');
  const std::string channel = name.substr(0, slash);
  if (!mirror::IsSafeName(channel) ||
      (slash != name.npos && !mirror::IsSafeName(name.substr(slash + 1)))) {
    return InvalidArgument(fmt::format("\"{}\" is no CHANNEL or CHANNEL/RELEASE", name));
  }
  std::string release = slash == name.npos ? "" : name.substr(slash + 1);
  if (release.empty()) {
    HNX_ASSIGN_OR_RETURN(const auto latest, view.ReadIndexFile(mirror::LatestPath(channel),
                                                               mirror::kLatestFileBytesMax));
    if (!latest) {
      return NotFound(fmt::format("the mirror has no settled release of the channel {}", channel));
    }
    release = ToString(*latest);
    release.resize(std::min(release.find('\n'), release.size()));
    if (!mirror::IsSafeName(release)) {
      return DataLoss(fmt::format("{} names no release", mirror::LatestPath(channel)));
    }
  }
  if (slash == name.npos) {  // else it may name a release that is not copied
    latest_path_ = mirror::LatestPath(channel);
  }
  release_folder_ = mirror::ReleaseFilePath(channel, release, "");
  return ReadListing(view, mirror::ReleaseFilePath(channel, release, mirror::kListingFile));
}

Result<void> Selection::ReadListing(const mirror::MirrorView& view, const std::string& path) {
  HNX_ASSIGN_OR_RETURN(const auto file, view.IndexFile(path));
  if (!file) {
    return NotFound(
        fmt::format("the mirror has no {}: no such release, or it is not settled yet", path));
  }
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kZstd));
  std::string line;
  std::uint64_t bytes = 0;
  const auto take = [&](ByteView piece) -> Result<void> {
    bytes += piece.size();
    if (bytes > kListingBytesMax) {
      return ResourceExhausted(fmt::format("more than {} bytes", kListingBytesMax));
    }
    std::string_view text = AsText(piece);
    for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
      line += text.substr(0, end);
      HNX_TRY(TakeListingLine(line));
      line.clear();
      text.remove_prefix(end + 1);
    }
    line += text;
    return line.size() <= kListingLineBytesMax ? Result<void>() : DataLoss("a line is too long");
  };
  auto read = file->drive->ReadBlob(file->blob, 0, file->size_bytes(), [&](ByteView piece) {
    return decompressor->Feed(piece, take);
  });
  if (read) {
    read = decompressor->Finish(take);
  }
  return read ? Result<void>() : read.error().Annotate(path);
}

Result<void> Selection::TakeListingLine(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == line.npos ? first : line.find(' ', first + 1);
  if (second == line.npos || !mirror::IsSafeName(line.substr(first + 1, second - first - 1))) {
    return DataLoss("a line is not \"hash file ...\"");
  }
  if (hashes_.size() >= kSelectedPathsMax) {
    return ResourceExhausted(fmt::format("more than {} paths", kSelectedPathsMax));
  }
  hashes_.emplace(line.substr(0, first));
  nars_.insert(mirror::NarPath(line.substr(first + 1, second - first - 1)));
  return {};
}

Result<void> Selection::ReadMatches(const mirror::MirrorView& view, const std::regex& pattern) {
  const bool within_release = !everything_;
  std::unordered_map<std::string, Known> known;
  HNX_ASSIGN_OR_RETURN(const auto list, view.index_view()->List("/"));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      break;
    }
    if (!NarAudit::IsNarInfoPath(entry->path) ||
        (within_release && !hashes_.contains(HashOfNarInfoPath(entry->path)))) {
      continue;
    }
    auto read = ReadNarInfo(view, entry->path, pattern);
    if (!read) {
      if (read.error().code == ErrorCode::kInvalidArgument ||
          read.error().code == ErrorCode::kNotFound) {
        continue;  // no narinfo: nobody can refer to it, nothing can be taken for it
      }
      return read.error();
    }
    if (known.size() >= kSelectedPathsMax) {
      return ResourceExhausted(fmt::format("more than {} narinfos", kSelectedPathsMax));
    }
    known.emplace(HashOfNarInfoPath(entry->path), *std::move(read));
  }
  hashes_.clear();
  nars_.clear();
  std::vector<std::string> open;
  for (auto& [hash, path] : known) {
    if (path.matches) {
      path.taken = true;
      open.push_back(hash);
    }
  }
  while (!open.empty()) {
    const std::string hash = std::move(open.back());
    open.pop_back();
    const Known& path = known.at(hash);
    hashes_.insert(hash);
    nars_.insert(path.nar);
    for (const std::string& reference : path.references) {
      const auto found = known.find(reference);
      if (found != known.end() && !found->second.taken) {
        found->second.taken = true;
        open.push_back(reference);
      }
    }
  }
  if (hashes_.empty()) {
    return NotFound("no store path of the mirror matches the pattern");
  }
  return {};
}

}  // namespace hnx::hyp
