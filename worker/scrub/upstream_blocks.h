// UpstreamBlocks: damaged blocks of NAR files from where these came from: the file is fetched anew,
// under the same limits as every other, and the blocks are cut out of it. An upstream that
// compressed the NAR anew since has other bytes; then nothing of it fits.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <string>

#include "worker/pipeline/fetcher.h"
#include "worker/scrub/block_source.h"
#include "worker/scrub/scrub_pace.h"

namespace hnx::worker {

class UpstreamBlocks final : public BlockSource {
 public:
  // The URL of a file of a shard.
  using UrlOf =
      std::function<Result<std::string>(const hyper::DriveKey& key, const std::string& file)>;
  // All must outlive it; `pace` ends its waits.
  UpstreamBlocks(Fetcher& fetcher, UrlOf url_of, ScrubPace& pace)
      : fetcher_(fetcher), url_of_(std::move(url_of)), pace_(pace) {}

  const char* name() const override { return "upstream"; }
  FoundBlocks Get(const WantedBlocks& wanted, std::string* trouble) override;

 private:
  Result<FoundBlocks> GetOfFile(const hyper::DriveKey& key, const std::vector<WantedBlock>& blocks);

  Fetcher& fetcher_;
  const UrlOf url_of_;
  ScrubPace& pace_;
};

}  // namespace hnx::worker
