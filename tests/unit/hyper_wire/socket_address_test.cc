#include "hyper/transport/socket_address.h"

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

TEST(SocketAddressTest, ReadsAndWritesBothFamilies) {
  for (const char* text : {"127.0.0.1:80", "[2001:db8::1]:49737", "[::]:0"}) {
    const Result<SocketAddress> address = SocketAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->ToText(), text);
    const Result<SocketAddress> copy = SocketAddress::From(address->get());
    ASSERT_TRUE(copy.has_value());
    EXPECT_EQ(copy->ToText(), text);
  }
}

TEST(SocketAddressTest, RefusesWhatIsNoHostAndPort) {
  for (const char* text : {"", ":", "host", "host:", ":80", "1.2.3.4:65536", "1.2.3.4:-1",
                           "1.2.3.4:8x", "::1:80", "[]:80", "[::1:80", "::1]:80"}) {
    EXPECT_FALSE(ParseHostPort(text).has_value()) << text;
  }
}

TEST(SocketAddressTest, DoesNotLookUpNames) {
  EXPECT_TRUE(ParseHostPort("localhost:80").has_value());
  EXPECT_FALSE(SocketAddress::Parse("localhost:80").has_value());
}

TEST(SocketAddressTest, CountsAnIpv6NetworkAsOneAddress) {
  const auto key = [](const char* text) { return SocketAddress::Parse(text)->LimitKey(); };
  EXPECT_EQ(key("[2001:db8:1:2::1]:1"), key("[2001:db8:1:2:ffff::9]:2"));
  EXPECT_NE(key("[2001:db8:1:2::1]:1"), key("[2001:db8:1:3::1]:1"));
  EXPECT_NE(key("192.0.2.1:1"), key("192.0.2.2:1"));
  EXPECT_EQ(key("192.0.2.1:1"), key("[::ffff:192.0.2.1]:7"));
}

}  // namespace
}  // namespace hnx::hyper
