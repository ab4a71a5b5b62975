// NarTask: one NAR on its way from the upstream to a shard. Its queue fills from the fetcher's
// thread; decoding threads take turns at emptying it, one at a time (`running`), so that no thread
// ever waits for one NAR's bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "http/http_error.h"
#include "nix/nar_file_verifier.h"
#include "worker/nar_unit.h"
#include "worker/pipeline/byte_budget.h"
#include "worker/pipeline/fetcher.h"
#include "worker/shard/shard_writer.h"

namespace hnx::worker {

struct NarTask {
  explicit NarTask(NarUnit the_unit) : unit(std::move(the_unit)) {}

  const NarUnit unit;

  // -- Under the pipeline's lock
  enum class Fetch { kWaiting, kRunning, kDone, kFailed };
  Fetch fetch = Fetch::kWaiting;
  std::optional<http::HttpFailure> failure;
  std::shared_ptr<Transfer> transfer;
  // Counts fetches; what a sink of an earlier one brings is ignored.
  int generation = 0;
  std::deque<Chunk> chunks;
  std::uint64_t buffered_bytes = 0;
  Clock::SteadyTime fetch_began;
  std::uint64_t received_bytes = 0;  // of this fetch, repeated parts included
  bool paused = false;
  bool restarted = false;  // the object comes again from its first byte
  bool cancelled = false;
  bool running = false;
  bool ended = false;

  // -- Of the thread that set `running`
  ShardWriter* shard = nullptr;  // chosen; reserved when `streaming`
  bool streaming = false;
  bool sent_any = false;  // the shard has a part of it
  std::unique_ptr<nix::NarFileVerifier> verifier;
  Clock::SteadyTime::duration decoding{0};
};

}  // namespace hnx::worker
