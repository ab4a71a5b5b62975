#include "hyp/release_audit.h"

#include <algorithm>
#include <memory>
#include <regex>
#include <utility>

#include <fmt/core.h>

#include "base/hex.h"
#include "hyp/link_resolver.h"
#include "mirror/index_layout.h"
#include "nix/decompressor.h"
#include "nix/hash.h"
#include "nix/nar_info.h"
#include "nix/store_paths_list.h"

namespace hnx::hyp {

namespace {

constexpr std::uint64_t kPathsATick = 256;
constexpr std::string_view kStorePathsFile = "store-paths.xz";

// Gives up the whole audit; everything else is a finding.
bool EndsAudit(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded ||
         error.code == ErrorCode::kCancelled;
}

Result<std::vector<std::regex>> Compile(const std::vector<std::string>& patterns) {
  std::vector<std::regex> compiled;
  for (const std::string& pattern : patterns) {
    try {
      compiled.emplace_back(pattern, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      return InvalidArgument(fmt::format("manifest.json: \"{}\": {}", pattern, error.what()));
    }
  }
  return compiled;
}

bool AnyMatches(const std::vector<std::regex>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::regex& pattern) {
    return std::regex_search(name.begin(), name.end(), pattern);
  });
}

Result<void> ReadFile(const mirror::MirrorView& mirror, const std::string& path,
                      const std::function<Result<void>(ByteView)>& sink) {
  HNX_ASSIGN_OR_RETURN(const auto file, mirror.IndexFile(path));
  if (!file) {
    return NotFound(path + ": the index has no such file");
  }
  return file->drive->ReadBlob(file->blob, 0, file->size_bytes(), sink);
}

}  // namespace

ReleaseAudit::HashKey ReleaseAudit::KeyOf(std::string_view hash) {
  HashKey key{};
  std::copy_n(hash.begin(), std::min(hash.size(), key.size()), key.begin());
  return key;
}

bool ReleaseAudit::Knows(std::string_view hash) const {
  const HashKey key = KeyOf(hash);
  return std::binary_search(published_.begin(), published_.end(), key) ||
         std::binary_search(unpublished_.begin(), unpublished_.end(), key);
}

std::string ReleaseAudit::PathOf(std::string_view file) const {
  return mirror::ReleaseFilePath(channel_, release_, file);
}

Result<void> ReleaseAudit::Check(const std::string& release) {
  const std::size_t slash = release.find('/');
  channel_ = release.substr(0, slash);
  release_ = slash == std::string::npos ? "" : release.substr(slash + 1);
  if (!mirror::IsSafeName(channel_) ||
      (slash != std::string::npos && !mirror::IsSafeName(release_))) {
    return InvalidArgument(fmt::format("\"{}\" is no CHANNEL or CHANNEL/RELEASE", release));
  }
  if (release_.empty()) {
    HNX_ASSIGN_OR_RETURN(const auto latest, mirror_.ReadIndexFile(mirror::LatestPath(channel_),
                                                                  mirror::kLatestFileBytesMax));
    if (!latest) {
      return NotFound(fmt::format("the mirror has no settled release of the channel {}", channel_));
    }
    release_ = ToString(*latest);
    release_.resize(std::min(release_.find('\n'), release_.size()));
    if (!mirror::IsSafeName(release_)) {
      return DataLoss(fmt::format("{} names no release", mirror::LatestPath(channel_)));
    }
  }
  HNX_TRY(ReadManifest());
  const auto note = [this](std::string_view line) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const mirror::ListedPath path, proof_.TakeLine(line));
    published_.push_back(KeyOf(path.hash));
    return {};
  };
  HNX_TRY(ReadListing(note));
  for (const std::string& finding : proof_.Findings()) {
    findings_.Add(finding);
  }
  std::uint64_t checked = 0;
  const auto check = [&](std::string_view line) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const mirror::ListedPath path, mirror::ListedPath::Parse(line));
    HNX_TRY(CheckListed(path));
    if (++checked % kPathsATick == 0) {
      on_path_(checked);
    }
    return {};
  };
  HNX_TRY(ReadListing(check));
  on_path_(checked);
  HNX_TRY(CheckFiles());
  return CheckRoots();
}

Result<void> ReleaseAudit::ReadManifest() {
  HNX_ASSIGN_OR_RETURN(const auto text, mirror_.ReadIndexFile(PathOf(mirror::kManifestFile),
                                                              mirror::kManifestBytesMax));
  if (!text) {
    return NotFound(fmt::format("the mirror has no {}: no such release, not settled, or retired",
                                PathOf(mirror::kManifestFile)));
  }
  const auto note = [this](const mirror::UnpublishedPath& path) {
    constexpr std::string_view kStore = "/nix/store/";
    if (path.path.starts_with(kStore)) {
      unpublished_.push_back(KeyOf(path.path.substr(kStore.size(), HashKey().size())));
    }
  };
  HNX_TRY(proof_.ReadManifest(AsText(*text), note));
  std::sort(unpublished_.begin(), unpublished_.end());
  const mirror::ReleaseManifest& manifest = proof_.manifest();
  if (manifest.channel != channel_ || manifest.release != release_) {
    findings_.Add(fmt::format("{} is that of {}/{}", PathOf(mirror::kManifestFile),
                              manifest.channel, manifest.release));
  }
  return {};
}

Result<void> ReleaseAudit::ReadListing(
    const std::function<Result<void>(std::string_view)>& on_line) {
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kZstd));
  std::string line;
  const auto take = [&](ByteView piece) -> Result<void> {
    std::string_view text = AsText(piece);
    for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
      line += text.substr(0, end);
      HNX_TRY(on_line(line));
      line.clear();
      text.remove_prefix(end + 1);
    }
    line += text;
    return line.size() <= mirror::kListingLineBytesMax
               ? Result<void>()
               : Result<void>(DataLoss("listing.zst: a line is too long"));
  };
  HNX_TRY(ReadFile(mirror_, PathOf(mirror::kListingFile),
                   [&](ByteView piece) { return decompressor->Feed(piece, take); }));
  return decompressor->Finish(take);
}

Result<void> ReleaseAudit::CheckListed(const mirror::ListedPath& path) {
  for (const auto check : {&ReleaseAudit::CheckNarInfo, &ReleaseAudit::CheckNar}) {
    const Result<void> checked = (this->*check)(path);
    if (!checked && EndsAudit(checked.error())) {
      return checked;
    }
    if (!checked) {
      findings_.Add(fmt::format("{}: {}", path.hash, checked.error().message));
    }
  }
  return {};
}

// It is there, names the listed file, and refers only to what is published.
Result<void> ReleaseAudit::CheckNarInfo(const mirror::ListedPath& path) {
  HNX_ASSIGN_OR_RETURN(const auto hash, nix::StorePathHash::Parse(path.hash));
  const std::string name = mirror::NarInfoPath(path.hash);
  HNX_ASSIGN_OR_RETURN(const auto text, mirror_.ReadIndexFile(name, nix::kNarInfoSizeMax));
  if (!text) {
    return NotFound(fmt::format("called published, but the index has no {}", name));
  }
  HNX_ASSIGN_OR_RETURN(const auto info, nix::NarInfo::Parse(AsText(*text), hash));
  if (info.nar_file_name() != path.file) {
    return DataLoss(fmt::format("listing.zst says that its NAR is {}, its narinfo says {}",
                                path.file, info.nar_file_name()));
  }
  for (const nix::StorePath& reference : info.references()) {
    if (!std::binary_search(published_.begin(), published_.end(), KeyOf(reference.hash_part()))) {
      return DataLoss(fmt::format("it is published, but refers to {}, which listing.zst lacks",
                                  reference.base_name()));
    }
  }
  return {};
}

// It lies where listing.zst says.
Result<void> ReleaseAudit::CheckNar(const mirror::ListedPath& path) {
  HNX_ASSIGN_OR_RETURN(const auto entry, mirror_.index_view()->Entry(mirror::NarPath(path.file)));
  if (!entry) {
    return NotFound(fmt::format("the index has no {}", mirror::NarPath(path.file)));
  }
  HNX_ASSIGN_OR_RETURN(const auto file, mirror_.ResolveNar(path.file));
  if (!file) {
    HNX_ASSIGN_OR_RETURN(const auto resolved, LinkResolver(mirror_).Resolve(*entry));
    if (resolved && !resolved->here) {
      ++not_here_;
      return {};
    }
    return NotFound(fmt::format("its NAR {} is absent", mirror::NarPath(path.file)));
  }
  const hyper::BlobId listed{.block_offset = path.block_offset,
                             .block_length = path.block_length,
                             .byte_offset = path.byte_offset,
                             .byte_length = path.byte_length};
  if (file->size_bytes() != path.size || file->blob != listed ||
      file->drive->key().id() != path.shard) {
    return DataLoss(
        fmt::format("{} does not lie where listing.zst says", mirror::NarPath(path.file)));
  }
  return {};
}

Result<void> ReleaseAudit::CheckFiles() {
  for (const mirror::ManifestFile& file : proof_.manifest().files) {
    const Result<void> checked = CheckFile(file);
    if (!checked && EndsAudit(checked.error())) {
      return checked;
    }
    if (!checked) {
      findings_.Add(checked.error().message);
    }
  }
  return {};
}

Result<void> ReleaseAudit::CheckFile(const mirror::ManifestFile& file) {
  if (!mirror::IsSafeName(file.name)) {
    return DataLoss(fmt::format("manifest.json names a file \"{}\"", file.name));
  }
  nix::Sha256 sha256;
  std::uint64_t size = 0;
  HNX_TRY(ReadFile(mirror_, PathOf(file.name), [&](ByteView piece) -> Result<void> {
    sha256.Update(piece);
    size += piece.size();
    return {};
  }));
  if (size != file.size || EncodeHex(sha256.Finish()) != file.sha256) {
    return DataLoss(fmt::format("{} is not the file that manifest.json names", PathOf(file.name)));
  }
  return {};
}

// Lists of store paths that somebody submitted have no such file.
Result<void> ReleaseAudit::CheckRoots() {
  const auto& files = proof_.manifest().files;
  const bool has_roots = std::any_of(files.begin(), files.end(),
                                     [](const auto& file) { return file.name == kStorePathsFile; });
  if (!has_roots) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto match, Compile(proof_.manifest().match));
  HNX_ASSIGN_OR_RETURN(const auto exclude, Compile(proof_.manifest().exclude));
  nix::StorePathsList roots([&](const nix::StorePath& path) -> Result<void> {
    const std::string& name = path.base_name();
    const bool wanted = (match.empty() || AnyMatches(match, name)) && !AnyMatches(exclude, name);
    if (wanted && !Knows(path.hash_part())) {
      findings_.Add(fmt::format(
          "{} is in store-paths.xz, but is neither published nor named as unpublished", name));
    }
    return {};
  });
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kXz));
  const auto feed = [&](ByteView piece) { return roots.Feed(piece); };
  auto read = ReadFile(mirror_, PathOf(kStorePathsFile),
                       [&](ByteView piece) { return decompressor->Feed(piece, feed); });
  if (read) {
    read = decompressor->Finish(feed);
  }
  const auto ended = read ? roots.Finish() : Result<nix::StorePathsSummary>(read.error());
  if (!ended && EndsAudit(ended.error())) {
    return ended.error();
  }
  if (!ended) {
    findings_.Add(fmt::format("{}: {}", PathOf(kStorePathsFile), ended.error().message));
  }
  return {};
}

}  // namespace hnx::hyp
