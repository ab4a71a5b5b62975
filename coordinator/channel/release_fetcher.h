// ReleaseFetcher: reads one release from its server: the channel's redirect, the release page, the
// files, each checked against the page. Blocking; one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/channel/release_location.h"
#include "coordinator/channel/release_page.h"
#include "coordinator/store/walk_store.h"
#include "http/http_client.h"

namespace hnx::coordinator {

// The names are those of the options.
struct ReleaseFetchOptions {
  ChannelRules channel;
  // ISO, OVA and other disk images too.
  bool release_images = false;
  std::uint64_t release_file_size_max = std::uint64_t{1} << 30U;
  // Hosts that a release's binary-cache-url may name besides the upstream's own.
  std::vector<std::string> binary_cache_hosts;
};

// A file of the release, and whether there is a hash to check it by.
struct WantedFile {
  ListedFile file;
  bool has_hash = true;
  // Without it there is no release; another one is left out when it cannot be had.
  bool essential = false;
};

class ReleaseFetcher {
 public:
  // All must outlive the fetcher. `stopping` ends long downloads.
  ReleaseFetcher(http::HttpClient& client, WalkStore& store, const ReleaseFetchOptions& options,
                 std::function<bool()> stopping);

  // Reads the redirect once; the answer is the pin.
  Result<ReleaseLocation> Locate(const std::string& channel);
  // What of the release is wanted. Without a table on the page: the usual names, unchecked.
  Result<std::vector<WantedFile>> ListFiles(const std::string& release_url);
  // The commit, 40 hexadecimal digits.
  Result<std::string> ReadRevision(const std::string& release_url,
                                   const std::vector<WantedFile>& files);
  // kInvalidArgument when the release belongs to another binary cache than `upstream_url`.
  Result<void> CheckBinaryCache(const std::string& release_url,
                                const std::vector<WantedFile>& files,
                                const std::string& upstream_url);
  // Downloads into the database, checks size and SHA-256. kNotFound, kDataLoss, ...
  Result<ReleaseFileRow> Fetch(const std::string& release_url, const WantedFile& wanted);

 private:
  Result<std::string> ReadSmall(const std::string& release_url, const WantedFile& wanted);

  http::HttpClient& client_;
  WalkStore& store_;
  const ReleaseFetchOptions& options_;
  const std::function<bool()> stopping_;
};

}  // namespace hnx::coordinator
