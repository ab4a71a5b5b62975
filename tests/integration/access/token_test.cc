// Tokens instead of certificates of callers.
#include "access/token.h"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "access_rig.h"

namespace hnx::test {
namespace {

constexpr const char* kPause = "/hypercore_nixos.v1.Coordinator/Pause";

class TokenTest : public testing::Test {
 protected:
  TokenTest() {
    MakeCertificates(tls_, {"--coordinator", "127.0.0.1", "--operator", "olga"});
    Replace(tokens_, access::TokenLine(access::Role::kOperator, "alice", operator_token_) +
                         "  # people\n" +
                         access::TokenLine(access::Role::kViewer, "victor", viewer_token_) + "\n");
    Replace(operator_file_, operator_token_ + "\n");
    Replace(viewer_file_, viewer_token_);
    Replace(wrong_file_, access::MakeToken());
  }

  access::ClientAccess With(const std::filesystem::path& token, bool tls) const {
    access::ClientAccess access;
    access.token_file = token;
    if (tls) {
      access.tls.ca = tls_ / "ca.crt";
    }
    return access;
  }

  void ExpectTokensWork(Coordinator& coordinator, bool tls) {
    const auto call = [&](const std::filesystem::path& token, const char* method) {
      return Client(coordinator.endpoint(), With(token, tls)).Call(method).error_code();
    };
    EXPECT_EQ(call(operator_file_, kGetStatus), grpc::StatusCode::OK);
    EXPECT_EQ(call(operator_file_, kPause), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(call(viewer_file_, kGetStatus), grpc::StatusCode::OK);
    EXPECT_EQ(call(viewer_file_, kPause), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(call(wrong_file_, kGetStatus), grpc::StatusCode::UNAUTHENTICATED);
    access::ClientAccess none = With("", tls);
    EXPECT_EQ(Client(coordinator.endpoint(), none).Call(kGetStatus).error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
    // Nor is a hash, or the file's line, a token.
    Replace(wrong_file_,
            access::TokenLine(access::Role::kOperator, "x", operator_token_).substr(11));
    EXPECT_EQ(call(wrong_file_, kGetStatus), grpc::StatusCode::UNAUTHENTICATED);
    for (const std::string& secret : {operator_token_, viewer_token_}) {
      EXPECT_EQ(coordinator.process().Log().find(secret), std::string::npos);
    }
  }

  Scratch scratch_;
  const std::filesystem::path tls_ = scratch_ / "tls";
  const std::filesystem::path tokens_ = scratch_ / "tokens";
  const std::filesystem::path operator_file_ = scratch_ / "operator.token";
  const std::filesystem::path viewer_file_ = scratch_ / "viewer.token";
  const std::filesystem::path wrong_file_ = scratch_ / "wrong.token";
  const std::string operator_token_ = access::MakeToken();
  const std::string viewer_token_ = access::MakeToken();
};

TEST_F(TokenTest, LetInOverTls) {
  std::vector<std::string> flags = {"--tls-cert",    tls_ / "coordinator.crt",
                                    "--tls-key",     tls_ / "coordinator.key",
                                    "--tokens-file", tokens_};
  Coordinator coordinator(scratch_, flags, "0.0.0.0:0");
  ExpectTokensWork(coordinator, true);
}

TEST_F(TokenTest, LetInBesideCertificates) {
  std::vector<std::string> flags = TlsFlags(Files(tls_, "coordinator"));
  flags.insert(flags.end(), {"--tokens-file", tokens_});
  Coordinator coordinator(scratch_, flags);
  ExpectTokensWork(coordinator, true);
  access::ClientAccess both = As(tls_, "operator-olga");
  EXPECT_TRUE(Client(coordinator.endpoint(), both).Call(kGetStatus).ok());
  // What is shown counts: a wrong token is not made good by a certificate.
  both.token_file = wrong_file_;
  EXPECT_EQ(Client(coordinator.endpoint(), both).Call(kGetStatus).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(TokenTest, LetInOnThisMachineWithoutTls) {
  Coordinator coordinator(scratch_, {"--tokens-file", tokens_});
  ExpectTokensWork(coordinator, false);
}

TEST_F(TokenTest, AreExchangedWithoutARestart) {
  Coordinator coordinator(scratch_, {"--tokens-file", tokens_});
  Client client(coordinator.endpoint(), With(operator_file_, false));
  ASSERT_TRUE(client.Call(kGetStatus).ok());
  const std::string next = access::MakeToken();
  Replace(tokens_, access::TokenLine(access::Role::kOperator, "alice", next) + "\n");
  WaitUntil("the old token is refused", [&] {
    return client.Call(kGetStatus).error_code() == grpc::StatusCode::UNAUTHENTICATED;
  });
  Replace(operator_file_, next);
  EXPECT_TRUE(client.Call(kGetStatus).ok()) << "a client reads its token anew";
  // A broken file takes nobody's token away.
  Replace(tokens_, "operator alice\n");
  WaitUntil("the broken file was seen, by a call", [&] {
    EXPECT_TRUE(client.Call(kGetStatus).ok());
    return coordinator.process().Log().find("the tokens from before hold on") != std::string::npos;
  });
  EXPECT_TRUE(client.Call(kGetStatus).ok());
}

TEST_F(TokenTest, AreMadeByACommand) {
  Process make("coordinator", {"make-token", "viewer", "victor"}, scratch_ / "made");
  ASSERT_EQ(make.Wait(), 0) << make.Log();
  std::istringstream lines(make.Log());
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) {
    all.push_back(line);
  }
  const auto line = std::ranges::find_if(
      all, [](const std::string& text) { return text.starts_with("viewer victor "); });
  ASSERT_NE(line, all.end());
  EXPECT_TRUE(std::ranges::any_of(all, [&](const std::string& token) {
    return token.size() == access::kTokenChars &&
           access::TokenLine(access::Role::kViewer, "victor", token) == *line;
  }));
}

}  // namespace
}  // namespace hnx::test
