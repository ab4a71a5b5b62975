#include "hyper/transport/event_loop.h"

#include <algorithm>
#include <csignal>
#include <future>
#include <utility>

#include "base/check.h"
#include "hyper/transport/event_loop_impl.h"

namespace hnx::hyper {

EventLoop::Impl::Impl(const Clock& clock_in)
    : clock(clock_in),
      // NOLINTNEXTLINE(modernize-avoid-c-arrays): sized at run time, and not zeroed
      read_buffer(std::make_unique_for_overwrite<std::byte[]>(kReadBufferSize)) {
  HNX_CHECK(uv_loop_init(&loop) == 0);
  loop.data = this;
  HNX_CHECK(uv_async_init(&loop, &wake, [](uv_async_t* handle) {
              static_cast<Impl*>(handle->loop->data)->RunPosted();
            }) == 0);
  HNX_CHECK(uv_timer_init(&loop, &timer) == 0);
  HNX_CHECK(uv_idle_init(&loop, &idle) == 0);
  HNX_CHECK(uv_prepare_init(&loop, &prepare) == 0);
  HNX_CHECK(uv_prepare_start(&prepare, [](uv_prepare_t* handle) {
              static_cast<Impl*>(handle->loop->data)->OnPrepare();
            }) == 0);
}

void EventLoop::Impl::AddEndOfTurn(std::shared_ptr<EndOfTurn> work) {
  end_of_turn.push_back(std::move(work));
}

std::uint64_t EventLoop::Impl::AddStopHook(Task hook) {
  stop_hooks.emplace(++last_stop_hook, std::move(hook));
  return last_stop_hook;
}

void EventLoop::Impl::RemoveStopHook(std::uint64_t id) {
  stop_hooks.erase(id);
}

bool EventLoop::Impl::MayTouch() const {
  const std::thread::id owner = thread_id;
  return owner == std::thread::id() || owner == std::this_thread::get_id();
}

void EventLoop::Impl::OnPrepare() {
  RunDueTimers();
  RunEndOfTurn();
  // What the end of this turn gave rise to is for the next one; it must not wait.
  if (end_of_turn.empty()) {
    uv_idle_stop(&idle);
  } else {
    uv_idle_start(&idle, [](uv_idle_t*) {});
  }
  ArmTimer();
}

void EventLoop::Impl::RunPosted() {
  std::vector<Task> tasks;
  {
    MutexLock lock(mutex);
    tasks.swap(posted);
  }
  for (Task& task : tasks) {
    std::exchange(task, nullptr)();
  }
}

void EventLoop::Impl::RunDueTimers() {
  const Clock::SteadyTime now = clock.Steady();
  const std::uint64_t newest = last_timer;  // a timer that is started now waits for the next turn
  for (auto next = timers.begin(); next != timers.end() && next->first.first <= now;) {
    if (next->first.second > newest) {
      ++next;
      continue;
    }
    const Task task = std::move(next->second);
    timer_times.erase(next->first.second);
    timers.erase(next);
    task();
    next = timers.begin();
  }
}

void EventLoop::Impl::RunEndOfTurn() {
  for (const std::shared_ptr<EndOfTurn>& work : std::exchange(end_of_turn, {})) {
    work->OnEndOfTurn();
  }
}

void EventLoop::Impl::ArmTimer() {
  if (timers.empty()) {
    uv_timer_stop(&timer);
    return;
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(timers.begin()->first.first - clock.Steady());
  uv_update_time(&loop);
  // The turn that this begins runs what is due.
  uv_timer_start(
      &timer, [](uv_timer_t*) {},
      static_cast<std::uint64_t>(std::max(left.count(), std::int64_t{0})), 0);
}

void EventLoop::Impl::CloseEverything() {
  while (!stop_hooks.empty()) {
    const Task hook = std::move(stop_hooks.begin()->second);
    stop_hooks.erase(stop_hooks.begin());
    hook();
  }
  timers.clear();
  end_of_turn.clear();
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&wake), reinterpret_cast<uv_handle_t*>(&timer),
        reinterpret_cast<uv_handle_t*>(&prepare), reinterpret_cast<uv_handle_t*>(&idle)}) {
    uv_close(handle, nullptr);
  }
  HNX_CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  end_of_turn.clear();
  std::vector<Task> dropped;
  {
    MutexLock lock(mutex);
    dropped.swap(posted);
  }
  dropped.clear();  // their destructors may post, in vain
  HNX_CHECK(uv_loop_close(&loop) == 0);
}

EventLoop::EventLoop(std::string name, const Clock& clock)
    : name_(std::move(name)), impl_(std::make_unique<Impl>(clock)) {}

EventLoop::~EventLoop() {
  Stop();
}

void EventLoop::Start() {
  MutexLock lock(impl_->join_mutex);
  HNX_CHECK(!impl_->thread.joinable());
  std::promise<void> started;
  impl_->thread = std::thread([this, &started] {
    NameThisThread(name_);
    impl_->thread_id = std::this_thread::get_id();
    started.set_value();
    Run();
  });
  started.get_future().wait();
}

void EventLoop::Run() {
  // A peer that has gone is an error of a write, not the end of the process.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
  impl_->CloseEverything();
  impl_->thread_id = std::thread::id();  // the system gives it to another thread soon
}

void EventLoop::Stop() {
  HNX_CHECK(!OnLoopThread());
  MutexLock join(impl_->join_mutex);
  {
    MutexLock lock(impl_->mutex);
    if (impl_->stopping) {
      return;
    }
    impl_->posted.emplace_back([this] { uv_stop(&impl_->loop); });
    impl_->stopping = true;
    uv_async_send(&impl_->wake);
  }
  if (impl_->thread.joinable()) {
    impl_->thread.join();
  } else {
    impl_->CloseEverything();  // it was never started
  }
}

bool EventLoop::Post(Task task) {
  MutexLock lock(impl_->mutex);
  if (impl_->stopping) {
    return false;
  }
  impl_->posted.push_back(std::move(task));
  // Under the lock: Stop closes the handle only after it has set `stopping`.
  uv_async_send(&impl_->wake);
  return true;
}

void EventLoop::RunAndWait(const Task& task) {
  HNX_CHECK(!OnLoopThread());
  std::promise<void> done;
  HNX_CHECK(Post([&] {
    task();
    done.set_value();
  }));
  done.get_future().wait();
}

EventLoop::TimerId EventLoop::After(std::chrono::milliseconds delay, Task task) {
  const std::uint64_t id = ++impl_->last_timer;
  const Clock::SteadyTime due = impl_->clock.Steady() + delay;
  impl_->timers.emplace(Impl::TimerKey(due, id), std::move(task));
  impl_->timer_times.emplace(id, due);
  return TimerId{id};
}

void EventLoop::Cancel(TimerId timer) {
  const auto found = impl_->timer_times.find(static_cast<std::uint64_t>(timer));
  if (found != impl_->timer_times.end()) {
    impl_->timers.erase({found->second, found->first});
    impl_->timer_times.erase(found);
  }
}

bool EventLoop::OnLoopThread() const {
  return impl_->thread_id.load() == std::this_thread::get_id();
}

const Clock& EventLoop::clock() const {
  return impl_->clock;
}

}  // namespace hnx::hyper
