#include "worker/metrics.h"

#include "cli/program.h"
#include "http/process_metrics.h"

namespace hnx::worker {

Metrics::Metrics()
    : fetched_bytes_(registry_.Counter("hnx_worker_fetched_bytes_total",
                                       "Bytes of NAR files received, repeated parts included")),
      decoded_bytes_(registry_.Counter("hnx_worker_decoded_bytes_total",
                                       "Bytes of NAR files hashed, decompressed and checked")),
      decode_seconds_(registry_.Counter("hnx_worker_decode_seconds_total",
                                        "Time of all decoding threads at work")),
      nars_stored_(registry_.Counter("hnx_worker_nars_stored_total", "NARs durable in a shard")),
      stored_bytes_(
          registry_.Counter("hnx_worker_stored_bytes_total", "Bytes of NAR files durable")),
      stored_nar_bytes_(
          registry_.Counter("hnx_worker_stored_nar_bytes_total", "The same NARs, uncompressed")),
      refetches_(registry_.Counter("hnx_worker_refetches_total",
                                   "NARs fetched once more after they were refused")),
      fetch_(Stage("fetch")),
      decode_(Stage("decode")),
      append_(Stage("append")),
      commit_(Stage("commit")),
      synchronized_(
          registry_.Counter("hnx_worker_synchronize_total", "Answers of the coordinator")),
      synchronize_errors_(registry_.Counter("hnx_worker_synchronize_errors_total",
                                            "Calls to the coordinator that failed")),
      publish_batches_(registry_.Counter("hnx_worker_publish_batches_total",
                                         "Publish batches appended to the index drive")),
      scrubbed_blocks_(registry_.Counter("hnx_worker_scrub_blocks_total",
                                         "Blocks read back from the disk and checked")),
      scrubbed_bytes_(registry_.Counter("hnx_worker_scrub_bytes_total",
                                        "Bytes read by the scrubber, of blocks and of NARs")),
      scrubbed_nars_(registry_.Counter("hnx_worker_scrub_nars_total",
                                       "NARs checked up to their NarHash by the scrubber")),
      scrub_given_up_(registry_.Counter("hnx_worker_scrub_given_up_total",
                                        "Damage that could not be repaired")),
      upstream_bytes_(registry_, "hnx_worker_upstream_bytes_total",
                      "Bytes of NAR files received in transfers that have ended, by upstream host "
                      "and compression",
                      kUpstreamSeriesMax),
      failed_(registry_, "hnx_worker_nars_failed_total", "NARs reported as not stored, by reason",
              kFailureReasonsMax),
      refused_(registry_, "hnx_worker_verification_failures_total",
               "NAR files that were not what was signed, by reason; some are fetched once more",
               kFailureReasonsMax),
      scrub_damage_(registry_, "hnx_worker_scrub_damaged_total",
                    "Damage found by the scrubber, by what it is of", kFailureReasonsMax),
      scrub_repairs_(registry_, "hnx_worker_scrub_repaired_total",
                     "Damage repaired, by where the bytes came from", kFailureReasonsMax) {
  http::RegisterProcessMetrics(registry_, "worker", cli::kVersion);
}

http::MetricHistogram Metrics::Stage(const char* stage) {
  return registry_.Histogram("hnx_worker_stage_seconds",
                             "Duration of what is done to a NAR (fetch; decode, which hashes too; "
                             "append) or to a group of them (commit, syncs included)",
                             http::LatencyBounds(), {{"stage", stage}});
}

void Metrics::CountTransfer(const std::string& host, std::string_view codec,
                            std::uint64_t file_bytes, Duration took) {
  upstream_bytes_.Add({{"host", host}, {"codec", std::string(codec)}},
                      static_cast<double>(file_bytes));
  fetch_.Observe(InSeconds(took));
}

void Metrics::CountFetched(std::uint64_t file_bytes) {
  fetched_bytes_.Add(static_cast<double>(file_bytes));
}

void Metrics::CountDecoded(std::uint64_t file_bytes, Duration busy) {
  decoded_bytes_.Add(static_cast<double>(file_bytes));
  decode_seconds_.Add(InSeconds(busy));
}

void Metrics::CountStored(std::uint64_t file_bytes, std::uint64_t nar_bytes) {
  nars_stored_.Add();
  stored_bytes_.Add(static_cast<double>(file_bytes));
  stored_nar_bytes_.Add(static_cast<double>(nar_bytes));
}

void Metrics::CountRefetch() {
  refetches_.Add();
}

void Metrics::CountSynchronize(bool good) {
  (good ? synchronized_ : synchronize_errors_).Add();
  if (good) {
    MutexLock lock(mutex_);
    answered_at_ = Clock::Real().Steady();
  }
}

std::optional<Metrics::Duration> Metrics::SinceAnswer() const {
  MutexLock lock(mutex_);
  return answered_at_ ? std::optional(Clock::Real().Steady() - *answered_at_) : std::nullopt;
}

void Metrics::CountPublishBatch() {
  publish_batches_.Add();
}

void Metrics::CountScrubbed(std::uint64_t blocks, std::uint64_t bytes) {
  scrubbed_blocks_.Add(static_cast<double>(blocks));
  scrubbed_bytes_.Add(static_cast<double>(bytes));
}

void Metrics::CountScrubbedNar() {
  scrubbed_nars_.Add();
}

void Metrics::CountScrubGivenUp() {
  scrub_given_up_.Add();
}

void Metrics::ShowGauge(const std::string& name, const std::string& help,
                        std::function<double()> read) {
  registry_.GaugeFunction(name, help, std::move(read));
}

void Metrics::ShowCounter(const std::string& name, const std::string& help,
                          std::function<double()> read) {
  registry_.CounterFunction(name, help, std::move(read));
}

}  // namespace hnx::worker
