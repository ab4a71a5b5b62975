// The coordinator's HTTP port, asked over a socket: what it answers, to whom it does not, and that
// names from outside stay text.
#include "coordinator/page/status_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "coordinator/page/coordinator_metrics.h"
#include "coordinator/page/html.h"
#include "coordinator/page/overview_service.h"
#include "raw_client.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::CoordinatorMetrics;
using coordinator::OverviewService;
using coordinator::PgOverviewStore;
using coordinator::StatusServer;
using gateway::RawAnswer;
using gateway::RawClient;
using gateway::Request;
using nlohmann::json;

class StatusServerTest : public testing::Test {
 protected:
  RawAnswer Get(const std::string& path, const std::string& headers = "") {
    const std::string address = server_->address();
    RawClient client(std::stoi(address.substr(address.rfind(':') + 1)));
    client.Send(Request(path, headers));
    return client.Receive();
  }
  json Status() {
    service_.RunOnce();
    return json::parse(Get("/status.json").body);
  }
  void Ask(const std::string& sql) { Sql(rig_.uri, sql); }

  FakeUpstream upstream_;
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  PgOverviewStore store_{*rig_.pool, *rig_.leader};
  OverviewService service_{store_};
  CoordinatorMetrics metrics_;
  std::unique_ptr<StatusServer> server_ =
      Must(StatusServer::Start("127.0.0.1:0", service_, store_, metrics_.registry()));
};

TEST_F(StatusServerTest, TellsOfNothingBeforeItsFirstLookAndIsNotReady) {
  const auto status = json::parse(Get("/status.json").body);
  EXPECT_EQ(status["database_answers"], false);
  EXPECT_TRUE(status["mirror"].is_null());
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/readyz").status, 503);
  service_.RunOnce();
  EXPECT_EQ(Get("/readyz").status, 200) << Get("/readyz").body;
}

TEST_F(StatusServerTest, IsNotReadyWithoutMigrationsOrDatabase) {
  Ask("DELETE FROM schema_version WHERE version = 1");
  service_.RunOnce();
  auto ready = Get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("001_first_mirror"), std::string::npos) << ready.body;
  Ask("INSERT INTO schema_version (version, name) VALUES (1, 'first_mirror')");
  Ask("ALTER TABLE mirror RENAME TO gone");
  service_.RunOnce();
  ready = Get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find(R"({"name":"database","ready":false)"), std::string::npos)
      << ready.body;
  EXPECT_EQ(Get("/healthz").status, 200);
}

TEST_F(StatusServerTest, AnUnchangedStateIsNotSentTwice) {
  service_.RunOnce();
  const auto first = Get("/status.json");
  const std::string etag = first.Header("ETag");
  ASSERT_FALSE(etag.empty());
  service_.RunOnce();
  const std::string address = server_->address();
  RawClient client(std::stoi(address.substr(address.rfind(':') + 1)));
  EXPECT_EQ(client.Ask(Request("/status.json", "If-None-Match: " + etag + "\r\n"), false).status,
            304);
  rig_.Submit(upstream_ = FakeUpstream(3), "small");
  rig_.Background();
  service_.RunOnce();
  const auto changed = Get("/status.json", "If-None-Match: " + etag + "\r\n");
  EXPECT_EQ(changed.status, 200);
  EXPECT_NE(changed.Header("ETag"), etag);
  const auto status = json::parse(changed.body);
  ASSERT_EQ(status["releases"].size(), 1U);
  EXPECT_EQ(status["releases"][0]["paths"]["total"], 3);
  EXPECT_EQ(status["channels"][0]["newest_release"], status["releases"][0]["id"]);
}

TEST_F(StatusServerTest, NamesFromOutsideAreTextAndNothingInlineMayRun) {
  const std::string hostile = "<img src=x onerror=alert(1)>\"'&";
  Ask(fmt::format(
      "INSERT INTO upstream (url) VALUES ('http://x'); INSERT INTO release (channel, name, "
      "upstream_id, max_missing, message) SELECT $t${0}$t$, $t${0}$t$, id, 0, $t${0}$t$ "
      "FROM upstream",
      hostile));
  service_.RunOnce();
  const auto page = Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body.find("<img"), std::string::npos);
  EXPECT_NE(page.body.find("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;"),
            std::string::npos);
  const std::string policy = page.Header("Content-Security-Policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(page.body.find("style="), std::string::npos);
  const auto status = Get("/status.json");
  EXPECT_EQ(json::parse(status.body)["channels"][0]["name"], hostile);
  EXPECT_EQ(status.Header("Content-Type"), "application/json");
  EXPECT_EQ(status.Header("X-Content-Type-Options"), "nosniff");
}

TEST_F(StatusServerTest, HtmlTextLeavesNoMarkup) {
  EXPECT_EQ(coordinator::HtmlText("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(coordinator::HtmlText(""), "");
}

TEST_F(StatusServerTest, FailuresAreRefusedWithoutARightQuestion) {
  upstream_ = FakeUpstream(3);
  upstream_[1].missing = true;
  upstream_[1].name = "a+b";
  const auto release = rig_.Submit(upstream_, "small");
  rig_.Background();
  const std::string url = fmt::format("/failures.json?release={}", release);
  const auto found = json::parse(Get(url).body);
  ASSERT_EQ(found["failures"].size(), 1U);
  EXPECT_TRUE(found["next_page"].is_null());
  EXPECT_EQ(json::parse(Get(url + "&prefix=a%2Bb").body)["failures"].size(), 1U);
  EXPECT_EQ(json::parse(Get(url + "&prefix=/nix/store/" + HashOf(1)).body)["failures"].size(), 1U);
  EXPECT_EQ(json::parse(Get(url + "&prefix=b").body)["failures"].size(), 0U);
  EXPECT_EQ(json::parse(Get(url + "&page=" + HashOf(1)).body)["failures"].size(), 0U);
  for (const std::string wrong :
       {"/failures.json", "/failures.json?release=", "/failures.json?release=x",
        "/failures.json?release=-1", "/failures.json?release=1e9",
        "/failures.json?release=99999999999999999999"}) {
    EXPECT_EQ(Get(wrong).status, 400) << wrong;
  }
  EXPECT_EQ(Get(url + "&page=';DROP").status, 400);
  EXPECT_EQ(Get(url + "&prefix=%00").status, 400);
  EXPECT_EQ(Get(url + "&prefix=" + std::string(301, 'a')).status, 400);
  EXPECT_EQ(Get("/failures.json?release=12345").status, 404);
}

TEST_F(StatusServerTest, OnlyReadsAndOnlyWhatThereIs) {
  const std::string address = server_->address();
  RawClient client(std::stoi(address.substr(address.rfind(':') + 1)));
  EXPECT_EQ(client.Ask(Request("/status.json", "", "POST")).status, 405);
  for (const char* path : {"/style.css", "/page.js", "/icon.svg", "/metrics"}) {
    EXPECT_EQ(Get(path).status, 200) << path;
  }
  for (const char* path : {"/x", "/index.html", "/../etc/passwd", "/status.json/"}) {
    EXPECT_EQ(Get(path).status, 404) << path;
  }
}

}  // namespace
}  // namespace hnx::test
