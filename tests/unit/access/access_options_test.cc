#include "access/access_options.h"

#include <gtest/gtest.h>

namespace hnx::access {
namespace {

const TlsFiles kWhole{.cert = "c", .key = "k", .ca = "a"};
const TlsFiles kPair{.cert = "c", .key = "k", .ca = ""};

TEST(AccessOptionsTest, KnowLoopbackAddresses) {
  for (const char* address : {"127.0.0.1:7070", "127.9.9.9:1", "[::1]:7070", "localhost:7070"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address :
       {"0.0.0.0:7070", "[::]:7070", "128.0.0.1:1", "10.0.0.1:1", "localhost.example:1",
        "127.0.0.1.example:1", "coordinator:7070", "[::ffff:10.0.0.1]:1", ":7070", ""}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

TEST(AccessOptionsTest, LeaveNoDoorOpenToANetwork) {
  EXPECT_TRUE(CheckServerAccess({}, "127.0.0.1:1").has_value());
  EXPECT_FALSE(CheckServerAccess({}, "0.0.0.0:1").has_value());
  EXPECT_TRUE(CheckServerAccess({.insecure = true}, "0.0.0.0:1").has_value());
  EXPECT_TRUE(CheckServerAccess({.tls = kWhole}, "0.0.0.0:1").has_value());
  EXPECT_TRUE(CheckServerAccess({.tls = kPair, .tokens_file = "t"}, "0.0.0.0:1").has_value());
  EXPECT_TRUE(CheckServerAccess({.tls = {}, .tokens_file = "t"}, "127.0.0.1:1").has_value());
  EXPECT_FALSE(CheckServerAccess({.tls = {}, .tokens_file = "t"}, "0.0.0.0:1").has_value());
  EXPECT_FALSE(CheckServerAccess({.tls = {}, .tokens_file = "t", .insecure = true}, "0.0.0.0:1")
                   .has_value());
}

TEST(AccessOptionsTest, SendNoTokenReadableOverANetwork) {
  const ClientAccess token{.tls = {}, .server_name = "", .token_file = "t"};
  EXPECT_TRUE(CheckClientAccess(token, {"127.0.0.1:1", "[::1]:1"}).has_value());
  EXPECT_FALSE(CheckClientAccess(token, {"127.0.0.1:1", "10.0.0.1:1"}).has_value());
  ClientAccess encrypted = token;
  encrypted.tls.ca = "a";
  EXPECT_TRUE(CheckClientAccess(encrypted, {"10.0.0.1:1"}).has_value());
}

}  // namespace
}  // namespace hnx::access
