#include "http/redirect_rules.h"

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

TEST(ParseHttpUrl, TakesHostAndScheme) {
  const auto parts = ParseHttpUrl("HTTPS://Cache.NixOS.org:443/nar/x?y");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->scheme, "https");
  EXPECT_EQ(parts->host, "cache.nixos.org");
  EXPECT_EQ(parts->port, 443U);
  EXPECT_EQ(ParseHttpUrl("http://a:65535/")->port, 65'535U);
  EXPECT_EQ(ParseHttpUrl("http://[::1]:80/")->host, "::1");
}

TEST(ParseHttpUrl, H18RefusesEverythingElse) {
  for (const char* url : {"", "nar/x", "/nar/x", "//host/x", "file:///etc/passwd", "ftp://host/x",
                          "data:text/plain,x", "gopher://host/", "http://", "http://user@host/",
                          "http://user:secret@host/"}) {
    EXPECT_FALSE(ParseHttpUrl(url)) << url;
  }
}

TEST(CheckRedirect, AllowsTheSameHostAndTheListedOnes) {
  EXPECT_TRUE(CheckRedirect("http://a:8080/x", "http://a:8080/y", {}));
  EXPECT_TRUE(CheckRedirect("http://a/x", "https://A/y", {}));
  EXPECT_TRUE(CheckRedirect("https://a/x", "https://b/y", {"c", "B"}));
}

TEST(CheckRedirect, H18RefusesOtherHostsAndSchemesAndLeavingHttps) {
  EXPECT_FALSE(CheckRedirect("https://a/x", "https://b/x", {}));
  EXPECT_FALSE(CheckRedirect("https://a/x", "https://a.b/x", {"b"}));
  EXPECT_FALSE(CheckRedirect("https://a/x", "http://a/x", {}));
  EXPECT_FALSE(CheckRedirect("http://a/x", "file:///etc/passwd", {}));
  EXPECT_FALSE(CheckRedirect("http://a/x", "ftp://a/x", {}));
  EXPECT_FALSE(CheckRedirect("http://a/x", "data:,x", {}));
}

TEST(CheckRedirect, H18RefusesOtherPortsOfTheSameHost) {
  EXPECT_FALSE(CheckRedirect("http://a/x", "http://a:8080/y", {}));
  EXPECT_FALSE(CheckRedirect("http://a:8080/x", "http://a:5432/y", {}));
  EXPECT_FALSE(CheckRedirect("http://a:8080/x", "http://a/y", {}));
  EXPECT_FALSE(CheckRedirect("https://a/x", "https://a:22/y", {}));
  EXPECT_TRUE(CheckRedirect("http://a:80/x", "https://a:443/y", {}));
}

TEST(CheckRedirect, H18AListedHostAllowsItsOwnPortOnly) {
  EXPECT_TRUE(CheckRedirect("http://a:81/x", "http://b:81/y", {"b"}));
  EXPECT_TRUE(CheckRedirect("http://a:81/x", "http://b/y", {"b"}));
  EXPECT_TRUE(CheckRedirect("http://a:81/x", "https://b/y", {"b"}));
  EXPECT_FALSE(CheckRedirect("http://a:81/x", "http://b:22/y", {"b"}));
  EXPECT_TRUE(CheckRedirect("http://a/x", "http://b:8443/y", {"b:8443"}));
  EXPECT_FALSE(CheckRedirect("http://a/x", "http://b/y", {"b:8443"}));
  EXPECT_TRUE(CheckRedirect("http://a/x", "http://[2001:db8::1]/y", {"[2001:db8::1]"}));
  EXPECT_TRUE(CheckRedirect("http://a/x", "http://[2001:db8::1]/y", {"2001:db8::1"}));
  EXPECT_TRUE(CheckRedirect("http://a/x", "http://[2001:db8::1]:81/y", {"[2001:db8::1]:81"}));
  EXPECT_FALSE(CheckRedirect("http://a/x", "http://b/y", {""}));
}

TEST(IsPrivateAddress, H18KnowsWhatAnUpstreamMustNotReach) {
  for (const char* literal : {"127.0.0.1",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.0.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "0.0.0.0",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::10.0.0.1",
                              "2002:7f00:1::",
                              "no address"}) {
    EXPECT_TRUE(IsPrivateAddress(std::string(literal))) << literal;
  }
  for (const char* literal :
       {"1.1.1.1", "172.32.0.1", "172.15.0.1", "100.128.0.1", "192.167.1.1", "2a04:4e42::1",
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
    EXPECT_FALSE(IsPrivateAddress(std::string(literal))) << literal;
  }
}

}  // namespace
}  // namespace hnx::http
