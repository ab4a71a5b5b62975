#include "http/body_pipe.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hnx::http {

BodyPipe::BodyPipe(std::size_t bytes_max) : buffer_(bytes_max) {
  HNX_CHECK(bytes_max > 0);
}

BodyPipe::BodyPipe(std::shared_ptr<BodyPipeBudget> budget) : budget_(std::move(budget)) {}

BodyPipe::~BodyPipe() {
  MutexLock lock(mutex_);
  if (budget_ && !buffer_.empty()) {
    budget_->Give(buffer_.size());
  }
}

Result<void> BodyPipe::Write(ByteView bytes) {
  while (!bytes.empty()) {
    std::function<void()> wake;
    {
      MutexLock lock(mutex_);
      if (buffer_.empty()) {
        buffer_.resize(budget_->Take());
      }
      while (!abandoned_ && size_ == buffer_.size()) {
        room_.Wait(mutex_);
      }
      if (abandoned_) {
        return Error{ErrorCode::kCancelled, "send a body: the client has left"};
      }
      while (!bytes.empty() && size_ < buffer_.size()) {
        const std::size_t end = (begin_ + size_) % buffer_.size();
        const std::size_t run =
            std::min({bytes.size(), buffer_.size() - size_, buffer_.size() - end});
        std::copy_n(bytes.begin(), run, buffer_.begin() + static_cast<std::ptrdiff_t>(end));
        bytes = bytes.subspan(run);
        size_ += run;
        written_ += run;
      }
      if (std::exchange(paused_, false)) {
        wake = wake_;
      }
    }
    if (wake) {
      wake();
    }
  }
  return {};
}

std::uint64_t BodyPipe::written() const {
  MutexLock lock(mutex_);
  return written_;
}

void BodyPipe::Finish(const Result<void>& outcome) {
  std::function<void()> wake;
  {
    MutexLock lock(mutex_);
    finished_ = true;
    broken_ = !outcome.has_value();
    if (std::exchange(paused_, false)) {
      wake = wake_;
    }
  }
  if (wake) {
    wake();
  }
}

void BodyPipe::OnAbandon(std::function<void()> stop) {
  {
    MutexLock lock(mutex_);
    if (!abandoned_) {
      stop_ = std::move(stop);
      return;
    }
  }
  stop();
}

void BodyPipe::OnReadable(std::function<void()> wake) {
  MutexLock lock(mutex_);
  wake_ = std::move(wake);
}

BodyPipe::Taken BodyPipe::Read(std::span<std::byte> out, const std::function<void()>& pause) {
  MutexLock lock(mutex_);
  if (size_ == 0) {
    if (finished_) {
      return {broken_ ? State::kBroken : State::kEnd};
    }
    paused_ = true;
    pause();
    return {State::kNothingYet};
  }
  Taken taken{State::kBytes, 0};
  while (taken.size < out.size() && size_ > 0) {
    const std::size_t run = std::min({out.size() - taken.size, size_, buffer_.size() - begin_});
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), run,
                out.begin() + static_cast<std::ptrdiff_t>(taken.size));
    begin_ = (begin_ + run) % buffer_.size();
    size_ -= run;
    taken.size += run;
  }
  room_.NotifyOne();
  return taken;
}

void BodyPipe::Abandon() {
  std::function<void()> stop;
  {
    MutexLock lock(mutex_);
    abandoned_ = true;
    paused_ = false;
    wake_ = nullptr;
    stop = std::exchange(stop_, nullptr);
    room_.NotifyAll();
  }
  if (stop) {
    stop();
  }
}

}  // namespace hnx::http
