#include "worker/metrics.h"

namespace hnx::worker {
namespace {

double Seconds(Metrics::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

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
      commit_seconds_(registry_.Histogram("hnx_worker_commit_seconds",
                                          "Duration of a group commit, syncs included",
                                          http::LatencyBounds())),
      synchronized_(
          registry_.Counter("hnx_worker_synchronize_total", "Answers of the coordinator")),
      synchronize_errors_(registry_.Counter("hnx_worker_synchronize_errors_total",
                                            "Calls to the coordinator that failed")),
      publish_batches_(registry_.Counter("hnx_worker_publish_batches_total",
                                         "Publish batches appended to the index drive")) {}

void Metrics::CountFetched(std::uint64_t file_bytes) {
  fetched_bytes_.Add(static_cast<double>(file_bytes));
}

void Metrics::CountDecoded(std::uint64_t file_bytes, Duration busy) {
  decoded_bytes_.Add(static_cast<double>(file_bytes));
  decode_seconds_.Add(Seconds(busy));
}

void Metrics::CountStored(std::uint64_t file_bytes, std::uint64_t nar_bytes) {
  nars_stored_.Add();
  stored_bytes_.Add(static_cast<double>(file_bytes));
  stored_nar_bytes_.Add(static_cast<double>(nar_bytes));
}

void Metrics::CountFailed(const std::string& reason) {
  MutexLock lock(mutex_);
  const bool known = failed_.contains(reason) || failed_.size() < kFailureReasonsMax;
  const std::string word = known ? reason : "other";
  auto counter = failed_.find(word);
  if (counter == failed_.end()) {
    counter = failed_
                  .emplace(word, registry_.Counter("hnx_worker_nars_failed_total",
                                                   "NARs reported as not stored, by reason",
                                                   {{"reason", word}}))
                  .first;
  }
  counter->second.Add();
}

void Metrics::CountRefetch() {
  refetches_.Add();
}

void Metrics::ObserveCommit(Duration took) {
  commit_seconds_.Observe(Seconds(took));
}

void Metrics::CountSynchronize(bool good) {
  (good ? synchronized_ : synchronize_errors_).Add();
}

void Metrics::CountPublishBatch() {
  publish_batches_.Add();
}

void Metrics::ShowGauge(const std::string& name, const std::string& help,
                        std::function<double()> read) {
  registry_.GaugeFunction(name, help, std::move(read));
}

}  // namespace hnx::worker
