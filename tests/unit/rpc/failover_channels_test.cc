#include "rpc/failover_channels.h"

#include <gtest/gtest.h>

namespace hnx::rpc {
namespace {

TEST(FailoverChannelsTest, StaysWithTheOneThatAnswers) {
  FailoverChannels channels({"a:1", "b:2"});
  EXPECT_EQ(channels.current().endpoint, "a:1");
  EXPECT_EQ(channels.current().endpoint, "a:1");
}

TEST(FailoverChannelsTest, GoesRoundTheListAsTheyFail) {
  FailoverChannels channels({"a:1", "b:2", "c:3"});
  channels.Failed(channels.current());
  EXPECT_EQ(channels.current().endpoint, "b:2");
  channels.Failed(channels.current());
  channels.Failed(channels.current());
  EXPECT_EQ(channels.current().endpoint, "a:1");
}

TEST(FailoverChannelsTest, TwoReportsOfOneFailureMoveOnce) {
  FailoverChannels channels({"a:1", "b:2", "c:3"});
  const auto failed = channels.current();
  channels.Failed(failed);
  channels.Failed(failed);
  EXPECT_EQ(channels.current().endpoint, "b:2");
}

}  // namespace
}  // namespace hnx::rpc
