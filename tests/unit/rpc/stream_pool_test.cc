#include "rpc/stream_pool.h"

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace hnx::rpc {
namespace {

using namespace std::chrono_literals;

// Streams that wait for clients who do nothing, until they are cut or let go.
class StreamPoolTest : public testing::Test {
 protected:
  struct Stream {
    bool waits = false;
    bool let_go = false;
    bool cut = false;
  };

  void TearDown() override {
    {
      MutexLock lock(mutex_);
      for (const auto& stream : streams_) {
        stream->let_go = true;
      }
      changed_.NotifyAll();
    }
    pool_.reset();
  }

  // True: it was taken, and waits for its client by now.
  bool Begin(bool waits = true) {
    auto stream = std::make_shared<Stream>();
    const bool taken = pool_->TrySubmit(
        [this, stream] {
          MutexLock lock(mutex_);
          stream->cut = true;
          changed_.NotifyAll();
        },
        [this, stream, waits](std::unique_ptr<StreamPool::Place> place) {
          if (waits) {
            place->Waits();
          }
          {
            MutexLock lock(mutex_);
            stream->waits = true;
            changed_.NotifyAll();
            while (!stream->cut && !stream->let_go) {
              changed_.Wait(mutex_);
            }
          }
          place->GoesOn();
        });
    MutexLock lock(mutex_);
    if (taken) {
      streams_.push_back(stream);
      while (!stream->waits) {
        changed_.Wait(mutex_);
      }
    }
    return taken;
  }
  std::vector<bool> Cut() {
    MutexLock lock(mutex_);
    std::vector<bool> cut;
    for (const auto& stream : streams_) {
      cut.push_back(stream->cut);
    }
    return cut;
  }

  Mutex mutex_;
  CondVar changed_;
  std::vector<std::shared_ptr<Stream>> streams_ HNX_GUARDED_BY(mutex_);
  std::optional<StreamPool> pool_;
};

TEST_F(StreamPoolTest, TheStreamThatHasWaitedLongestForItsClientMakesRoom) {
  pool_.emplace("test", 2, 0ms);
  ASSERT_TRUE(Begin());
  ASSERT_TRUE(Begin());
  EXPECT_EQ(Cut(), (std::vector<bool>{false, false}));
  EXPECT_TRUE(Begin());
  EXPECT_EQ(Cut(), (std::vector<bool>{true, false, false}));
  EXPECT_TRUE(Begin());
  EXPECT_EQ(Cut(), (std::vector<bool>{true, true, false, false}));
}

TEST_F(StreamPoolTest, OneThatWorksKeepsItsPlace) {
  pool_.emplace("test", 2, 0ms);
  ASSERT_TRUE(Begin(false));
  ASSERT_TRUE(Begin(false));
  EXPECT_FALSE(Begin());
  EXPECT_EQ(Cut(), (std::vector<bool>{false, false}));
}

TEST_F(StreamPoolTest, OneThatHasJustBegunToWaitKeepsItsPlace) {
  pool_.emplace("test", 1, 1h);
  ASSERT_TRUE(Begin());
  EXPECT_FALSE(Begin());
}

}  // namespace
}  // namespace hnx::rpc
