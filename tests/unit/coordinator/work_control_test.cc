#include "coordinator/domain/work_control.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

TEST(WorkControlTest, AHostIsTheSameHoweverItsUpstreamIsNamed) {
  for (const char* name : {"https://Cache.NixOS.org", "https://cache.nixos.org/", "cache.nixos.org",
                           "http://cache.nixos.org/a/b"}) {
    EXPECT_EQ(HostOfUpstream(name), "cache.nixos.org") << name;
  }
  EXPECT_EQ(HostOfUpstream("http://127.0.0.1:8080/cache"), "127.0.0.1:8080");
  EXPECT_EQ(HostOfUpstream("file:///srv/cache"), "");
}

TEST(WorkControlTest, WhatIsOverCannotBeHeldOrEndedAndOnlyWorkCanBeRetried) {
  struct Case {
    const char* state;
    bool pause;
    bool cancel;
    bool retry;
  };
  for (const Case& c : {Case{"resolving", true, true, true}, Case{"walking", true, true, true},
                        Case{"planned", true, true, true}, Case{"mirroring", true, true, true},
                        Case{"settled", false, false, true}, Case{"refused", false, false, false},
                        Case{"cancelled", false, true, false}}) {
    EXPECT_EQ(CheckMayPause(1, c.state).has_value(), c.pause) << c.state;
    EXPECT_EQ(CheckMayCancel(1, c.state, false).has_value(), c.cancel) << c.state;
    EXPECT_EQ(CheckMayRetry(1, c.state, false).has_value(), c.retry) << c.state;
  }
  EXPECT_FALSE(CheckMayCancel(1, "mirroring", true).has_value()) << "its manifest is on its way";
  EXPECT_FALSE(CheckMayRetry(1, "walking", true).has_value()) << "it is being planned";
}

TEST(WorkControlTest, APriorityHasLimits) {
  EXPECT_TRUE(CheckPriority(kPriorityMax).has_value());
  EXPECT_FALSE(CheckPriority(kPriorityMax + 1).has_value());
  EXPECT_FALSE(CheckPriority(-kPriorityMax - 1).has_value());
}

}  // namespace
}  // namespace hnx::coordinator
