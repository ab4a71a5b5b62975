// H18 of the bad-response catalogue: where redirects may lead.
#include "client_fixture.h"

namespace hnx::http {
namespace {

using test::Answer;

class RedirectTest : public ClientTest {
 protected:
  void Redirect(const std::string& path, const std::string& location, int status = 302) {
    server_.Serve(path, {Answer(status, "moved", {{"Location", location}})});
  }
};

TEST_F(RedirectTest, FollowsToTheSameHost) {
  server_.Serve("/target", {Answer(200, "there")});
  for (const int status : {301, 302, 303, 307, 308}) {
    Redirect("/x", "/target", status);
    const auto response = Get("/x");
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "there");
    EXPECT_EQ(response->head.url, server_.Url("/target"));
  }
}

TEST_F(RedirectTest, ShowsTheLocationWhenToldNotToFollow) {
  Redirect("/channel", "https://releases.nixos.org/nixos/x");
  HttpRequest request;
  request.url = server_.Url("/channel");
  request.redirects = RedirectPolicy::kDontFollow;
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->head.status, 302);
  EXPECT_EQ(response->head.headers.Get("location"), "https://releases.nixos.org/nixos/x");
}

TEST_F(RedirectTest, FollowsToAListedHost) {
  server_.Serve("/target", {Answer(200, "there")});
  Redirect("/x", "http://localhost:" + std::to_string(server_.port()) + "/target");
  HttpRequest request;
  request.url = server_.Url("/x");
  request.redirect_hosts = {"localhost"};
  const auto response = Fetch(request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "there");
}

TEST_F(RedirectTest, H18RefusesHostsThatAreNotListed) {
  server_.Serve("/target", {Answer(200, "there")});
  Redirect("/x", "http://localhost:" + std::to_string(server_.port()) + "/target");
  EXPECT_EQ(FailureOf("/x").reason, HttpReason::kBadRedirect);
  EXPECT_EQ(server_.Count("/target"), 0);
}

TEST_F(RedirectTest, H18RefusesOtherSchemes) {
  for (const std::string location :
       {"file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://127.0.0.1/"}) {
    Redirect("/x", location);
    EXPECT_EQ(FailureOf("/x").reason, HttpReason::kBadRedirect) << location;
  }
}

TEST_F(RedirectTest, H18RefusesLoops) {
  Redirect("/a", "/b");
  Redirect("/b", "/a");
  EXPECT_EQ(FailureOf("/a").reason, HttpReason::kBadRedirect);
  EXPECT_EQ(server_.Count("/a") + server_.Count("/b"), 6);  // the request and five hops
}

TEST_F(RedirectTest, H18RefusesMoreThanFiveHopsAndAllowsFive) {
  for (int i = 0; i < 6; ++i) {
    Redirect("/" + std::to_string(i), "/" + std::to_string(i + 1));
  }
  server_.Serve("/6", {Answer(200, "end")});
  EXPECT_TRUE(Get("/1"));
  EXPECT_EQ(FailureOf("/0").reason, HttpReason::kBadRedirect);
}

TEST_F(RedirectTest, H18RefusesARedirectWithoutALocation) {
  server_.Serve("/x", {Answer(302, "")});
  const auto failure = FailureOf("/x");
  EXPECT_EQ(failure.reason, HttpReason::kBadRedirect);
  EXPECT_EQ(failure.code, ErrorCode::kInvalidArgument);
}

TEST_F(RedirectTest, H18RefusesUserNamesInALocation) {
  Redirect("/x", "http://user:secret@127.0.0.1:" + std::to_string(server_.port()) + "/y");
  EXPECT_EQ(FailureOf("/x").reason, HttpReason::kBadRedirect);
}

TEST_F(RedirectTest, ABrokenTargetFailsAsItself) {
  Redirect("/x", "/gone");
  EXPECT_EQ(FailureOf("/x").code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hnx::http
