// Inside of EventLoop, for this folder: the only headers that know libuv are this and those that
// include it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include <uv.h>

#include "base/mutex.h"
#include "hyper/transport/event_loop.h"

namespace hnx::hyper {

// Something that gathers work during a turn of the loop and does it at the end.
class EndOfTurn {
 public:
  virtual ~EndOfTurn() = default;
  virtual void OnEndOfTurn() = 0;
};

struct EventLoop::Impl {
  explicit Impl(const Clock& clock_in);

  // `work` runs before the loop waits again; adding it twice is the caller's to avoid.
  void AddEndOfTurn(std::shared_ptr<EndOfTurn> work);
  // Called when the loop stops, on its thread.
  std::uint64_t AddStopHook(Task hook);
  void RemoveStopHook(std::uint64_t id);

  // On the loop's thread, or while the loop does not run.
  bool MayTouch() const;

  void OnPrepare();
  void RunPosted();
  void RunDueTimers();
  void RunEndOfTurn();
  void ArmTimer();
  void CloseEverything();

  const Clock& clock;
  uv_loop_t loop{};
  uv_async_t wake{};
  uv_timer_t timer{};
  uv_prepare_t prepare{};
  uv_idle_t idle{};  // runs while there is work left for another turn: the loop then does not wait

  Mutex mutex;
  std::vector<Task> posted HNX_GUARDED_BY(mutex);
  bool stopping HNX_GUARDED_BY(mutex) = false;
  Mutex join_mutex;
  std::thread thread HNX_GUARDED_BY(join_mutex);
  std::atomic<std::thread::id> thread_id;

  // The rest belongs to the loop's thread.
  using TimerKey = std::pair<Clock::SteadyTime, std::uint64_t>;
  std::map<TimerKey, Task> timers;
  std::unordered_map<std::uint64_t, Clock::SteadyTime> timer_times;
  std::uint64_t last_timer = 0;
  std::vector<std::shared_ptr<EndOfTurn>> end_of_turn;
  std::map<std::uint64_t, Task> stop_hooks;
  std::uint64_t last_stop_hook = 0;
  // Bytes are read here and taken by the stream before another reads.
  // NOLINTNEXTLINE(modernize-avoid-c-arrays): sized at run time, and not zeroed
  std::unique_ptr<std::byte[]> read_buffer;
};

inline constexpr std::size_t kReadBufferSize = 256 << 10;

}  // namespace hnx::hyper
