#include "coordinator/rescan/release_scan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/hex.h"
#include "coordinator/channel/root_filter.h"
#include "coordinator/rescan/index_scan.h"
#include "hyper/drive/drive_key.h"
#include "mirror/index_layout.h"
#include "nix/decompressor.h"
#include "nix/hash.h"
#include "nix/store_path.h"
#include "nix/store_paths_list.h"

namespace hnx::coordinator {
namespace {

constexpr std::size_t kMembersBatch = 5'000;
constexpr std::string_view kStorePathsFile = "store-paths.xz";
// A list of a million paths has 70 MB; beyond this it is a bomb.
constexpr std::uint64_t kStorePathsBytesMax = std::uint64_t{4} << 30U;

// Something is wrong with what was read, as opposed to the reading.
bool IsOfTheIndex(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kDataLoss ||
         error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kResourceExhausted;
}

// "/nix/store/<hash>-<name>"; nullopt: it has another form.
std::optional<nix::StorePath> ParseStorePath(const std::string& text) {
  auto path = nix::StorePath::Parse(text);
  return path ? std::optional(*std::move(path)) : std::nullopt;
}

}  // namespace

std::string ReleaseScan::PathOf(const std::string& file) const {
  return mirror::ReleaseFilePath(release_.channel, release_.name, file);
}

Result<void> ReleaseScan::Find(std::string_view kind, const std::string& object,
                               const std::string& reason) {
  return store_.AddFinding({std::string(kind), RescanPrintable(object), RescanPrintable(reason)});
}

Result<void> ReleaseScan::Run(const Pending& release) {
  release_ = release;
  HNX_TRY(store_.ForgetMembers(release.id));
  HNX_ASSIGN_OR_RETURN(const bool described, ReadManifest());
  if (!described) {
    return store_.DropRelease(release.id);
  }
  HNX_ASSIGN_OR_RETURN(const bool listed, ReadListing());
  facts_.members_known = listed;
  if (listed) {
    auto findings = proof_.Findings();
    if (named_twice_ > 0) {
      findings.push_back(fmt::format("{} paths are named twice", named_twice_));
    }
    if (!findings.empty()) {
      facts_.members_known = false;
      HNX_TRY(Find("listing", PathOf(std::string(mirror::kListingFile)), findings.front()));
    }
  }
  // Without all of its paths its roots say too little, too: a channel's release is resolved again.
  if (!facts_.members_known && facts_.source_url.empty()) {
    HNX_TRY(Find("release", release_.channel + "/" + release_.name,
                 "which paths it consists of is not known: submit its list again"));
    return store_.DropRelease(release_.id);
  }
  HNX_TRY(ReadFiles());
  if (facts_.members_known) {
    HNX_TRY(ReadRoots());
  }
  const auto latest =
      index_.ReadFile(mirror::LatestPath(release_.channel), mirror::kLatestFileBytesMax);
  if (latest) {
    std::string name = ToString(*latest);
    while (name.ends_with('\n')) {
      name.pop_back();
    }
    facts_.is_latest = name == release_.name;
  } else if (!IsOfTheIndex(latest.error())) {
    return latest.error();
  }
  return store_.EndRelease(release.id, facts_);
}

Result<bool> ReleaseScan::ReadManifest() {
  const std::string path = PathOf(std::string(mirror::kManifestFile));
  const auto no_manifest = [&](const std::string& why) -> Result<bool> {
    HNX_TRY(Find("release", release_.channel + "/" + release_.name,
                 fmt::format("its manifest.json {}: submit it again", why)));
    return false;
  };
  const auto text = index_.ReadFile(path, mirror::kManifestBytesMax);
  if (!text) {
    if (!IsOfTheIndex(text.error())) {
      return text.error();
    }
    return no_manifest("cannot be had (" + text.error().message + ")");
  }
  const auto read = proof_.ReadManifest(AsText(*text), [&](const mirror::UnpublishedPath& item) {
    if (!trouble_) {
      if (auto taken = TakeUnpublished(item); !taken) {
        trouble_ = taken.error();
      }
    }
  });
  if (trouble_) {
    return *trouble_;
  }
  if (!read) {
    return no_manifest("cannot be read (" + read.error().message + ")");
  }
  HNX_TRY(FlushMembers());
  const mirror::ReleaseManifest& manifest = proof_.manifest();
  if (manifest.channel != release_.channel || manifest.release != release_.name) {
    return no_manifest(fmt::format("is that of {}/{}", manifest.channel, manifest.release));
  }
  if (manifest.upstream.empty()) {
    return no_manifest("names no upstream");
  }
  if (auto filter = RootFilter::Create(manifest.match, manifest.exclude); !filter) {
    return no_manifest("has an expression that is none (" + filter.error().message + ")");
  }
  facts_.upstream = manifest.upstream;
  facts_.source_url = manifest.source_url;
  facts_.revision = manifest.revision;
  facts_.match = manifest.match;
  facts_.exclude = manifest.exclude;
  facts_.manifest_revision = manifest.manifest_revision;
  facts_.submitted_at = manifest.submitted_at;
  facts_.settled_at = manifest.settled_at;
  HNX_ASSIGN_OR_RETURN(const auto kept, Keep(std::string(mirror::kManifestFile)));
  facts_.manifest = kept ? kept->artifact : 0;
  return true;
}

Result<void> ReleaseScan::TakeUnpublished(const mirror::UnpublishedPath& path) {
  const auto parsed = ParseStorePath(path.path);
  const bool failed = path.state == "missing" || path.state == "set_aside";
  const auto cause = ParseStorePath(path.blocked_by);
  if (!parsed || (failed ? path.reason.empty() : path.state != "blocked" || !cause)) {
    return Find("manifest", PathOf(std::string(mirror::kManifestFile)),
                "it names an unpublished path in another form: " + path.path);
  }
  members_.push_back({.hash = std::string(parsed->hash_part()),
                      .name = std::string(parsed->name()),
                      .state = path.state,
                      .reason = RescanPrintable(path.reason),
                      .blocked_by = cause ? std::string(cause->hash_part()) : "",
                      .accepted = RescanPrintable(path.accepted)});
  return members_.size() < kMembersBatch ? Result<void>() : FlushMembers();
}

Result<void> ReleaseScan::FlushMembers() {
  if (!members_.empty()) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t added, store_.StageMembers(release_.id, members_));
    named_twice_ += members_.size() - added;
    members_.clear();
  }
  if (!places_.empty()) {
    HNX_TRY(store_.StagePlaces(places_));
    places_.clear();
  }
  return {};
}

Result<bool> ReleaseScan::ReadListing() {
  const std::string file(mirror::kListingFile);
  HNX_ASSIGN_OR_RETURN(const auto entry, index_.Entry(PathOf(file)));
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kZstd));
  std::string partial;
  std::optional<Error> wrong;  // of the listing; another error is one of ours
  const nix::Sink lines = [&](ByteView piece) -> Result<void> {
    partial += AsText(piece);
    std::size_t begin = 0;
    for (std::size_t end; (end = partial.find('\n', begin)) != std::string::npos; begin = end + 1) {
      HNX_TRY(TakeLine(std::string_view(partial).substr(begin, end - begin)));
    }
    partial.erase(0, begin);
    return partial.size() <= mirror::kListingLineBytesMax
               ? Result<void>()
               : Result<void>(DataLoss("listing.zst: a line without an end"));
  };
  const auto read = [&]() -> Result<void> {
    if (!entry || !entry->blob) {
      return NotFound("it is not there");
    }
    HNX_TRY(index_.ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                            [&](ByteView piece) { return decompressor->Feed(piece, lines); }));
    // A stream that ends too early is no passing trouble here.
    if (const auto finished = decompressor->Finish(lines); !finished) {
      return finished.error().code == ErrorCode::kUnavailable ? DataLoss(finished.error().message)
                                                              : finished.error();
    }
    return partial.empty() ? Result<void>() : Result<void>(DataLoss("it ends within a line"));
  }();
  if (!read) {
    if (!IsOfTheIndex(read.error())) {
      return read.error();
    }
    members_.clear();
    places_.clear();
    HNX_TRY(Find("listing", PathOf(file), read.error().message));
    return false;
  }
  HNX_TRY(FlushMembers());
  HNX_ASSIGN_OR_RETURN(const auto kept, Keep(file));
  facts_.listing = kept ? kept->artifact : 0;
  return true;
}

Result<void> ReleaseScan::TakeLine(std::string_view line) {
  HNX_ASSIGN_OR_RETURN(const mirror::ListedPath path, proof_.TakeLine(line));
  HNX_ASSIGN_OR_RETURN(const auto shard, hyper::DriveKey::Parse(path.shard));
  members_.push_back({.hash = path.hash,
                      .name = "",
                      .state = "published",
                      .reason = "",
                      .blocked_by = "",
                      .accepted = ""});
  places_.push_back(
      {.file = path.file,
       .shard_key = Bytes(shard.bytes().begin(), shard.bytes().end()),
       .blob = {path.byte_offset, path.block_offset, path.block_length, path.byte_length}});
  return members_.size() < kMembersBatch ? Result<void>() : FlushMembers();
}

Result<void> ReleaseScan::ReadFiles() {
  for (const mirror::ManifestFile& file : proof_.manifest().files) {
    Sha256 wanted{};
    const auto digest = DecodeHex(file.sha256);
    if (!mirror::IsSafeName(file.name) || !digest || digest->size() != wanted.size()) {
      HNX_TRY(Find("manifest", PathOf(std::string(mirror::kManifestFile)),
                   "it names a file of the release in another form: " + file.name));
      continue;
    }
    std::copy(digest->begin(), digest->end(), wanted.begin());
    HNX_ASSIGN_OR_RETURN(auto kept, Keep(file.name));
    if (!kept || kept->sha256 != wanted) {
      HNX_TRY(Find("file", PathOf(file.name),
                   kept ? "its SHA-256 is not the one that the manifest says" : "it is not there"));
      kept = RescanFile{};
    }
    facts_.files.push_back({file.name, wanted, file.size, kept->artifact});
  }
  return {};
}

Result<std::optional<RescanFile>> ReleaseScan::Keep(const std::string& file) {
  HNX_ASSIGN_OR_RETURN(const auto entry, index_.Entry(PathOf(file)));
  if (!entry || !entry->blob) {
    return std::optional<RescanFile>();
  }
  RescanFile kept{.name = file, .sha256 = {}, .size_bytes = entry->blob->byte_length};
  std::unique_ptr<ArtifactWriter> writer;
  nix::Sha256 sha256;
  if (artifacts_ != nullptr) {
    HNX_ASSIGN_OR_RETURN(writer, artifacts_->NewArtifact());
  }
  const auto read =
      index_.ReadBlob(*entry->blob, 0, kept.size_bytes, [&](ByteView piece) -> Result<void> {
        sha256.Update(piece);
        return writer ? writer->Append(piece) : Result<void>();
      });
  if (!read) {
    return IsOfTheIndex(read.error()) ? Result<std::optional<RescanFile>>(std::nullopt)
                                      : read.error();
  }
  const nix::Sha256Digest digest = sha256.Finish();
  std::copy(digest.begin(), digest.end(), kept.sha256.begin());
  if (writer) {
    HNX_ASSIGN_OR_RETURN(kept.artifact, writer->Finish(kept.sha256));
  }
  return std::optional(std::move(kept));
}

Result<void> ReleaseScan::ReadRoots() {
  const auto good =
      std::find_if(facts_.files.begin(), facts_.files.end(),
                   [](const RescanFile& file) { return file.name == kStorePathsFile; });
  const std::string path = PathOf(std::string(kStorePathsFile));
  HNX_ASSIGN_OR_RETURN(const auto entry, index_.Entry(path));
  if (good == facts_.files.end() || !entry || !entry->blob) {
    // A list that somebody submitted, or a release that says no more what its roots are.
    return store_.GuessRoots(release_.id);
  }
  const auto& manifest = proof_.manifest();
  HNX_ASSIGN_OR_RETURN(const RootFilter filter,
                       RootFilter::Create(manifest.match, manifest.exclude));
  std::vector<PathName> roots;
  const auto flush = [&]() -> Result<void> {
    HNX_TRY(store_.MarkRoots(release_.id, roots));
    roots.clear();
    return {};
  };
  nix::StorePathsList list([&](const nix::StorePath& root) -> Result<void> {
    if (!filter.Wants(root.base_name())) {
      return {};
    }
    roots.push_back({std::string(root.hash_part()), std::string(root.name())});
    return roots.size() < kMembersBatch ? Result<void>() : flush();
  });
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kXz));
  std::uint64_t bytes = 0;
  const nix::Sink into_list = [&](ByteView piece) -> Result<void> {
    bytes += piece.size();
    return bytes > kStorePathsBytesMax ? Result<void>(InvalidArgument("it is too large"))
                                       : list.Feed(piece);
  };
  const auto read = [&]() -> Result<void> {
    HNX_TRY(index_.ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                            [&](ByteView piece) { return decompressor->Feed(piece, into_list); }));
    HNX_TRY(decompressor->Finish(into_list));
    HNX_TRY(list.Finish());
    return flush();
  }();
  if (!read) {
    if (!IsOfTheIndex(read.error())) {
      return read.error();
    }
    HNX_TRY(Find("roots", path, read.error().message));
    return store_.GuessRoots(release_.id);
  }
  return {};
}

}  // namespace hnx::coordinator
