#include "worker/limits/limited_fetcher.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{60'000};
constexpr milliseconds kLongValid{3'600'000};

// Transfers that do nothing until the test says so.
class FakeFetcher final : public Fetcher {
 public:
  struct Fetch final : public Transfer {
    void Resume() override { ++resumes; }
    void Cancel() override { cancelled = true; }

    std::string url;
    std::shared_ptr<http::DownloadSink> sink;
    std::atomic<int> resumes{0};
    std::atomic<bool> cancelled{false};
  };

  std::shared_ptr<Transfer> Start(const FetchRequest& request,
                                  std::shared_ptr<http::DownloadSink> sink) override {
    auto fetch = std::make_shared<Fetch>();
    fetch->url = request.url;
    fetch->sink = std::move(sink);
    MutexLock lock(mutex_);
    fetches_.push_back(fetch);
    return fetch;
  }
  std::vector<std::shared_ptr<Fetch>> fetches() {
    MutexLock lock(mutex_);
    return fetches_;
  }
  // Ends a fetch as the real ones do, and lets go of its sink.
  static void End(const std::shared_ptr<Fetch>& fetch) {
    std::exchange(fetch->sink, nullptr)->OnDone({});
  }

 private:
  Mutex mutex_;
  std::vector<std::shared_ptr<Fetch>> fetches_ HNX_GUARDED_BY(mutex_);
};

class CountingSink final : public http::DownloadSink {
 public:
  Result<void> OnRestart() override { return {}; }
  Result<http::DataVerdict> OnData(ByteView /*chunk*/) override {
    return full ? http::DataVerdict::kPause : http::DataVerdict::kContinue;
  }
  void OnDone(http::DownloadOutcome outcome) override {
    cancelled = outcome.failure && outcome.failure->code == ErrorCode::kCancelled;
    done = true;
  }

  std::atomic<bool> full{false};
  std::atomic<bool> done{false};
  std::atomic<bool> cancelled{false};
};

class LimitedFetcherTest : public testing::Test {
 protected:
  template <class Condition>
  static bool Comes(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) {
        return true;
      }
      std::this_thread::yield();
    }
    return false;
  }
  std::shared_ptr<Transfer> Fetch(const std::string& url) {
    sinks_.push_back(std::make_shared<CountingSink>());
    return limited_.Start({.url = url, .body_size_max = 1'000}, sinks_.back());
  }
  void Apply(HostLimit limit) {
    limit.host = "h";
    limit.valid = kLongValid;
    limited_.Apply({limit}, Clock::Real().Steady());
  }
  std::size_t started() { return inner_.fetches().size(); }
  void EndAll() {
    for (const auto& fetch : inner_.fetches()) {
      if (fetch->sink != nullptr) {
        FakeFetcher::End(fetch);
      }
    }
  }

  FakeFetcher inner_;
  LimitedFetcher limited_{inner_, 4};
  std::vector<std::shared_ptr<CountingSink>> sinks_;
};

TEST_F(LimitedFetcherTest, StartsWhatTheWindowAllowsAndTheRestInOrder) {
  std::vector<std::shared_ptr<Transfer>> transfers;
  for (int i = 0; i < 6; ++i) {
    transfers.push_back(Fetch("http://h/" + std::to_string(i)));
  }
  ASSERT_TRUE(Comes([&] { return started() == 4; }));
  FakeFetcher::End(inner_.fetches()[2]);
  ASSERT_TRUE(Comes([&] { return started() == 5; }));
  EXPECT_EQ(inner_.fetches()[4]->url, "http://h/4");
  EXPECT_TRUE(sinks_[2]->done);
  EndAll();
  ASSERT_TRUE(Comes([&] { return started() == 6; }));
  EndAll();
}

TEST_F(LimitedFetcherTest, HostsDoNotWaitForEachOther) {
  Apply({.limits_requests = true, .requests_per_second = 0});
  const auto held = Fetch("http://h/a");
  const auto free = Fetch("http://other/b");
  ASSERT_TRUE(Comes([&] { return started() == 1; }));
  EXPECT_EQ(inner_.fetches()[0]->url, "http://other/b");
  Apply({});
  ASSERT_TRUE(Comes([&] { return started() == 2; }));
  EndAll();
}

TEST_F(LimitedFetcherTest, FoldersPassThrough) {
  Apply({.limits_requests = true, .requests_per_second = 0});
  const auto transfer = Fetch("file:///srv/x");
  EXPECT_EQ(started(), 1U);
  EndAll();
}

TEST_F(LimitedFetcherTest, WhatIsCancelledBeforeItBeganEndsWithoutARequest) {
  Apply({.limits_requests = true, .requests_per_second = 0});
  const auto transfer = Fetch("http://h/a");
  transfer->Cancel();
  ASSERT_TRUE(Comes([&] { return sinks_[0]->done.load(); }));
  EXPECT_TRUE(sinks_[0]->cancelled);
  EXPECT_EQ(started(), 0U);
}

TEST_F(LimitedFetcherTest, BytesBeyondTheRateArePausedAndResumedWhenPaidFor) {
  Apply({.limits_bytes = true, .bytes_per_second = 100'000});
  const auto transfer = Fetch("http://h/a");
  ASSERT_TRUE(Comes([&] { return started() == 1; }));
  const auto fetch = inner_.fetches()[0];
  const Bytes chunk(20'000);
  const auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(*fetch->sink->OnData(chunk), http::DataVerdict::kPause);
  const int before = fetch->resumes;
  ASSERT_TRUE(Comes([&] { return fetch->resumes > before; }));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(90))
      << "20,000 bytes at 100,000 a second";
  EndAll();
}

TEST_F(LimitedFetcherTest, TheSinksOwnPauseIsKeptWhenTheGateOpens) {
  Apply({.limits_bytes = true, .bytes_per_second = 100'000});
  const auto transfer = Fetch("http://h/a");
  ASSERT_TRUE(Comes([&] { return started() == 1; }));
  const auto fetch = inner_.fetches()[0];
  sinks_[0]->full = true;
  const Bytes chunk(1'000);
  ASSERT_EQ(*fetch->sink->OnData(chunk), http::DataVerdict::kPause);
  const int before = fetch->resumes;
  const auto other = Fetch("http://h/b");  // begins once the bytes are paid for
  ASSERT_TRUE(Comes([&] { return started() == 2; }));
  EXPECT_EQ(fetch->resumes, before) << "its sink is full";
  transfer->Resume();
  EXPECT_EQ(fetch->resumes, before + 1);
  EndAll();
}

TEST_F(LimitedFetcherTest, TellsWhatIsInForce) {
  EXPECT_TRUE(limited_.Use().empty());
  Apply({.limits_bytes = true, .bytes_per_second = 77, .transfers_max = 3});
  const auto uses = limited_.Use();
  ASSERT_EQ(uses.size(), 1U);
  EXPECT_EQ(uses[0].host, "h");
  EXPECT_EQ(uses[0].bytes_per_second, 77U);
  EXPECT_EQ(uses[0].transfers_max, 3U);
  limited_.UnlimitOthers({{.host = "h"}});
  EXPECT_EQ(limited_.Use().size(), 1U);
  limited_.UnlimitOthers({});
  EXPECT_TRUE(limited_.Use().empty());
}

}  // namespace
}  // namespace hnx::worker
