#include "coordinator/channel/release_fetcher.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/channel/channel_redirect.h"
#include "coordinator/channel/release_name.h"
#include "coordinator/channel/streamed_download.h"
#include "http/redirect_rules.h"
#include "nix/hash.h"

namespace hnx::coordinator {
namespace {

constexpr std::size_t kSmallFileBytesMax = 64 * 1024;
constexpr std::array<std::string_view, 5> kImageSuffixes{".iso", ".ova", ".img", ".qcow2", ".vhd"};
// What a release without a table is expected to have.
constexpr std::array<std::string_view, 6> kUsualFiles{"git-revision",    "binary-cache-url",
                                                      "src-url",         "store-paths.xz",
                                                      "nixexprs.tar.xz", "packages.json.br"};

bool IsImage(std::string_view name) {
  return std::any_of(kImageSuffixes.begin(), kImageSuffixes.end(), [&](std::string_view suffix) {
    return name.ends_with(suffix) || name.find(std::string(suffix) + ".") != std::string_view::npos;
  });
}

bool IsEssential(std::string_view name) {
  return name == "store-paths.xz" || name == "git-revision" || name.starts_with("nixexprs.tar.");
}

std::string Trimmed(std::string text) {
  constexpr const char* kBlanks = " \t\r\n";
  const std::size_t end = text.find_last_not_of(kBlanks);
  text.erase(end == std::string::npos ? 0 : end + 1);
  text.erase(0, std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

const WantedFile* FindFile(const std::vector<WantedFile>& files, std::string_view name) {
  const auto found = std::find_if(files.begin(), files.end(), [&](const WantedFile& wanted) {
    return wanted.file.name == name;
  });
  return found == files.end() ? nullptr : &*found;
}

std::string FileUrl(const std::string& release_url, const std::string& name) {
  return release_url + "/" + name;
}

Error Mismatch(const std::string& url, const std::string& why) {
  return DataLoss(fmt::format("check {} against the release page: {}", url, why));
}

// One object growing in the database, hashed on its way.
class CheckedArtifact {
 public:
  explicit CheckedArtifact(WalkStore& store) : store_(store) {}

  Result<void> Begin() {
    HNX_ASSIGN_OR_RETURN(writer_, store_.NewArtifact());
    hash_ = std::make_unique<nix::Sha256>();
    size_bytes_ = 0;
    return {};
  }
  Result<void> Take(ByteView bytes) {
    hash_->Update(bytes);
    size_bytes_ += bytes.size();
    return writer_->Append(bytes);
  }
  nix::Sha256Digest digest() { return hash_->Finish(); }
  std::uint64_t size_bytes() const { return size_bytes_; }
  Result<ArtifactId> Keep(const Sha256& sha256) { return writer_->Finish(sha256); }

 private:
  WalkStore& store_;
  std::unique_ptr<ArtifactWriter> writer_;
  std::unique_ptr<nix::Sha256> hash_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace

ReleaseFetcher::ReleaseFetcher(http::HttpClient& client, WalkStore& store,
                               const ReleaseFetchOptions& options, std::function<bool()> stopping)
    : client_(client), store_(store), options_(options), stopping_(std::move(stopping)) {}

Result<ReleaseLocation> ReleaseFetcher::Locate(const std::string& channel) {
  HNX_ASSIGN_OR_RETURN(ChannelRedirect redirect,
                       ReadChannelRedirect(client_, options_.channel, channel, {}));
  return *std::move(redirect.location);  // always there when no ETag was sent
}

Result<std::vector<WantedFile>> ReleaseFetcher::ListFiles(const std::string& release_url) {
  http::HttpRequest request;
  request.url = release_url;
  request.body_size_max = kReleasePageBytesMax;
  request.encoding = http::EncodingPolicy::kDecode;
  const auto response = client_.Fetch(std::move(request));
  if (!response) {
    return response.error().ToError().Annotate("read the release page");
  }
  auto page = ParseReleasePage(response->body);
  if (!page) {
    return page.error().Annotate("read the release page " + release_url);
  }
  std::vector<WantedFile> wanted;
  for (const ListedFile& file : page->files) {
    if (!options_.release_images && IsImage(file.name)) {
      continue;
    }
    if (file.size_bytes > options_.release_file_size_max) {
      Log("channel")->warn("{}: left out, its {} bytes are over --release-file-size-max",
                           FileUrl(release_url, file.name), file.size_bytes);
      continue;
    }
    wanted.push_back({file, true, IsEssential(file.name)});
  }
  if (page->files.empty()) {
    Log("channel")->warn("{} has no table of files: taking the usual ones unchecked", release_url);
    for (const std::string_view name : kUsualFiles) {
      wanted.push_back({ListedFile{std::string(name), 0, {}}, false, name == "store-paths.xz"});
    }
  }
  if (FindFile(wanted, "store-paths.xz") == nullptr) {
    return InvalidArgument(fmt::format("the release page {} lists no store-paths.xz", release_url));
  }
  return wanted;
}

Result<std::string> ReleaseFetcher::ReadSmall(const std::string& release_url,
                                              const WantedFile& wanted) {
  http::HttpRequest request;
  request.url = FileUrl(release_url, wanted.file.name);
  request.body_size_max = kSmallFileBytesMax;
  request.encoding = http::EncodingPolicy::kKeep;
  const std::string url = request.url;
  auto response = client_.Fetch(std::move(request));
  if (!response) {
    return response.error().ToError();
  }
  if (wanted.has_hash && nix::Sha256::Of(AsBytes(response->body)) != wanted.file.sha256) {
    return Mismatch(url, "another SHA-256");
  }
  return std::move(response->body);
}

Result<std::string> ReleaseFetcher::ReadRevision(const std::string& release_url,
                                                 const std::vector<WantedFile>& files) {
  constexpr std::size_t kCommitLength = 40;
  const WantedFile* wanted = FindFile(files, "git-revision");
  if (wanted == nullptr) {
    return std::string();
  }
  auto text = ReadSmall(release_url, *wanted);
  if (!text && text.error().code == ErrorCode::kNotFound && !wanted->essential) {
    return std::string();
  }
  HNX_TRY(text);
  const std::string revision = Trimmed(*std::move(text));
  if (revision.size() != kCommitLength || !DecodeHex(revision)) {
    return InvalidArgument(fmt::format("read {}/git-revision: no commit in it", release_url));
  }
  return revision;
}

Result<void> ReleaseFetcher::CheckBinaryCache(const std::string& release_url,
                                              const std::vector<WantedFile>& files,
                                              const std::string& upstream_url) {
  const WantedFile* wanted = FindFile(files, "binary-cache-url");
  if (wanted == nullptr) {
    return {};
  }
  auto text = ReadSmall(release_url, *wanted);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return {};
  }
  HNX_TRY(text);
  const std::string url = Trimmed(*std::move(text));
  const auto named = http::ParseHttpUrl(url);
  const auto ours = http::ParseHttpUrl(upstream_url);
  const auto& others = options_.binary_cache_hosts;
  if (named && ((ours && named->host == ours->host) ||
                std::find(others.begin(), others.end(), named->host) != others.end())) {
    return {};
  }
  return InvalidArgument(
      fmt::format("check {}/binary-cache-url: the release belongs to '{}', the upstream is {}; "
                  "allow its host with --binary-cache-host if they hold the same paths",
                  release_url, url.substr(0, kReleaseNameLengthMax), upstream_url));
}

Result<ReleaseFileRow> ReleaseFetcher::Fetch(const std::string& release_url,
                                             const WantedFile& wanted) {
  const std::string url = FileUrl(release_url, wanted.file.name);
  ReleaseFileRow row{wanted.file.name, wanted.file.sha256, wanted.file.size_bytes, std::nullopt};
  if (wanted.has_hash) {
    HNX_ASSIGN_OR_RETURN(row.artifact, store_.FindArtifact(row.sha256, row.size_bytes));
    if (row.artifact) {
      return row;
    }
  }
  http::DownloadRequest request;
  request.url = url;
  request.body_size_max = wanted.has_hash ? wanted.file.size_bytes : options_.release_file_size_max;
  request.encoding = http::EncodingPolicy::kKeep;
  CheckedArtifact artifact(store_);
  const DownloadConsumer consumer{[&] { return artifact.Begin(); },
                                  [&](ByteView bytes) { return artifact.Take(bytes); }, stopping_};
  HNX_TRY(DownloadInto(client_, std::move(request), consumer));
  const nix::Sha256Digest digest = artifact.digest();
  if (wanted.has_hash && artifact.size_bytes() != wanted.file.size_bytes) {
    return Mismatch(url, fmt::format("it has {} bytes, the page says {}", artifact.size_bytes(),
                                     wanted.file.size_bytes));
  }
  if (wanted.has_hash && digest != wanted.file.sha256) {
    return Mismatch(url, fmt::format("its SHA-256 is {}, the page says {}", EncodeHex(digest),
                                     EncodeHex(wanted.file.sha256)));
  }
  row.sha256 = digest;
  row.size_bytes = artifact.size_bytes();
  HNX_ASSIGN_OR_RETURN(row.artifact, artifact.Keep(digest));
  return row;
}

}  // namespace hnx::coordinator
