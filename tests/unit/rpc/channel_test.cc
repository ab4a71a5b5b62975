#include "rpc/channel.h"

#include <gtest/gtest.h>

namespace hnx::rpc {
namespace {

TEST(ParseEndpointsTest, TakesOneAndSeveral) {
  EXPECT_EQ(ParseEndpoints("localhost:7070")->size(), 1U);
  const auto several = ParseEndpoints("a.example:1,10.0.0.1:65535,[::1]:7070");
  ASSERT_TRUE(several.has_value());
  EXPECT_EQ(several->at(2), "[::1]:7070");
}

TEST(ParseEndpointsTest, RefusesWhatIsNoHostAndPort) {
  for (const char* text : {"", "host", "host:", ":7070", "host:0", "host:65536", "host:70a",
                           "host:-1", "a:1,,b:2", "a:1,", "::1:7070", "host:7070 "}) {
    EXPECT_FALSE(ParseEndpoints(text).has_value()) << '"' << text << '"';
  }
}

TEST(ParseEndpointsTest, RefusesMoreThanItsLimit) {
  std::string text = "a:1";
  for (std::size_t i = 0; i < kEndpointsMax; ++i) {
    text += ",a:1";
  }
  EXPECT_FALSE(ParseEndpoints(text).has_value());
}

TEST(MakeContextTest, SetsADeadline) {
  const auto before = std::chrono::system_clock::now();
  const auto context = MakeContext(std::chrono::seconds(5));
  EXPECT_GE(context->deadline(), before + std::chrono::seconds(4));
  EXPECT_LE(context->deadline(), std::chrono::system_clock::now() + std::chrono::seconds(6));
}

}  // namespace
}  // namespace hnx::rpc
