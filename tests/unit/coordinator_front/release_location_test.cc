#include "coordinator/channel/release_location.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

constexpr const char* kGood = "https://releases.nixos.org/nixos/unstable/nixos-26.11pre1.abcdef0";

TEST(ReleaseLocationTest, TakesTheReleaseThatTheChannelNames) {
  const auto location = CheckReleaseLocation({}, "nixos-unstable", kGood);
  ASSERT_TRUE(location.has_value()) << location.error().message;
  EXPECT_EQ(location->url, kGood);
  EXPECT_EQ(location->name, "nixos-26.11pre1.abcdef0");
}

// P9 of the catalogue of bad inputs.
TEST(ReleaseLocationTest, P9RefusesEveryOtherRedirect) {
  for (const std::string location :
       {"", "http://releases.nixos.org/nixos/unstable/nixos-1.2", "file:///etc/passwd",
        "https://evil.example/nixos/unstable/nixos-1.2", "ftp://releases.nixos.org/nixos-1.2",
        "//releases.nixos.org/nixos-1.2", "https://releases.nixos.org.evil.example/nixos-1.2",
        "https://user@releases.nixos.org/nixos-1.2", "https://releases.nixos.org/",
        "https://releases.nixos.org", "https://releases.nixos.org/a/../..",
        "https://releases.nixos.org/a/../nixos-1.2", "https://releases.nixos.org/%2e%2e/nixos-1.2",
        "https://releases.nixos.org/nixos-1.2?x=y", "https://releases.nixos.org/nixos-1.2#x",
        "https://releases.nixos.org/nixos 1.2", "https://channels.nixos.org/nixos-unstable",
        "nixos-1.2"}) {
    EXPECT_FALSE(CheckReleaseLocation({}, "nixos-unstable", location).has_value()) << location;
  }
}

TEST(ReleaseLocationTest, P9RefusesARedirectToItself) {
  const ChannelRules rules{"http://127.0.0.1:8000/channels", ""};
  EXPECT_FALSE(CheckReleaseLocation(rules, "c", "http://127.0.0.1:8000/channels/c").has_value());
}

TEST(ReleaseLocationTest, AnotherChannelServerBringsItsOwnHost) {
  const ChannelRules rules{"http://127.0.0.1:8000/channels/", ""};
  const auto absolute = CheckReleaseLocation(rules, "c", "http://127.0.0.1:8000/releases/c/c-1/");
  ASSERT_TRUE(absolute.has_value()) << absolute.error().message;
  EXPECT_EQ(absolute->url, "http://127.0.0.1:8000/releases/c/c-1");
  const auto relative = CheckReleaseLocation(rules, "c", "/releases/c/c-1");
  ASSERT_TRUE(relative.has_value()) << relative.error().message;
  EXPECT_EQ(relative->url, "http://127.0.0.1:8000/releases/c/c-1");
  EXPECT_FALSE(CheckReleaseLocation(rules, "c", kGood).has_value());
}

TEST(ReleaseLocationTest, TheOperatorMayNameTheHost) {
  const ChannelRules rules{"https://channels.example", "files.example"};
  EXPECT_TRUE(CheckReleaseLocation(rules, "c", "https://files.example/c/c-1").has_value());
  EXPECT_FALSE(CheckReleaseLocation(rules, "c", "https://channels.example/c/c-1").has_value());
}

}  // namespace
}  // namespace hnx::coordinator
