// How the programs begin: what is refused before anything listens, and who is believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "access_rig.h"

namespace hnx::test {
namespace {

class DoorTest : public testing::Test {
 protected:
  // What a program says that ends by itself; its exit code must be `code`.
  std::string Says(const std::string& program, const std::vector<std::string>& words, int code) {
    const auto log = scratch_ / ("log" + std::to_string(++logs_));
    Process process(program, words, log);
    EXPECT_EQ(process.Wait(), code) << process.Log();
    return process.Log();
  }
  std::string ServeSays(std::vector<std::string> words, int code = 2) {
    words.insert(words.begin(), {"serve", "--data", scratch_.File("data")});
    return Says("coordinator", words, code);
  }

  Scratch scratch_;
  int logs_ = 0;
};

using testing::HasSubstr;

TEST_F(DoorTest, IsNotLeftOpenToANetwork) {
  for (const char* listen : {"0.0.0.0:0", "[::]:0"}) {
    const std::string said = ServeSays({"--listen", listen});
    EXPECT_THAT(said, HasSubstr("--tls-cert, --tls-key and --tls-ca"));
    EXPECT_THAT(said, HasSubstr("--listen 127.0.0.1:PORT"));
    EXPECT_THAT(said, HasSubstr("--insecure"));
  }
}

TEST_F(DoorTest, IsLeftOpenWhenAskedForWithAWarning) {
  Coordinator coordinator(scratch_, {"--insecure"}, "0.0.0.0:0");
  coordinator.process().WaitForLine("everybody who reaches 0.0.0.0:0 may do anything");
  EXPECT_TRUE(Client(coordinator.endpoint(), access::ClientAccess()).Call(kGetStatus).ok());
}

TEST_F(DoorTest, IsOpenOnThisMachineWhenNothingIsSaid) {
  Coordinator coordinator(scratch_, {});
  EXPECT_TRUE(Client(coordinator.endpoint(), access::ClientAccess()).Call(kGetStatus).ok());
  EXPECT_EQ(coordinator.process().Log().find("may do anything"), std::string::npos);
}

TEST_F(DoorTest, WantsWholeSets) {
  MakeCertificates(scratch_ / "tls", {"--coordinator", "localhost"});
  const access::TlsFiles tls = Files(scratch_ / "tls", "coordinator");
  EXPECT_THAT(ServeSays({"--tls-cert", tls.cert}), HasSubstr("--tls-cert without --tls-key"));
  EXPECT_THAT(ServeSays({"--tls-key", tls.key}), HasSubstr("--tls-key without --tls-cert"));
  EXPECT_THAT(ServeSays({"--tls-ca", tls.ca}), HasSubstr("--tls-ca without --tls-cert"));
  EXPECT_THAT(ServeSays({"--tls-cert", tls.cert, "--tls-key", tls.key}),
              HasSubstr("nobody could come in"));
  EXPECT_THAT(
      ServeSays({"--tls-cert", tls.cert, "--tls-key", tls.key, "--tls-ca", tls.ca, "--insecure"}),
      HasSubstr("contradict"));
  EXPECT_THAT(ServeSays({"--listen", "0.0.0.0:0", "--insecure", "--tokens-file", tls.key}),
              HasSubstr("readable on their way"));
  EXPECT_THAT(Says("coordinator", {"status", "--tls-cert", tls.cert}, 2),
              HasSubstr("--tls-cert without --tls-key"));
  EXPECT_THAT(Says("coordinator", {"status", "--tls-cert", tls.cert, "--tls-key", tls.key}, 2),
              HasSubstr("without --tls-ca"));
  EXPECT_THAT(Says("coordinator", {"status", "--tls-server-name", "x"}, 2),
              HasSubstr("without --tls-ca"));
  EXPECT_THAT(
      Says("coordinator", {"status", "--coordinator", "192.0.2.1:1", "--token-file", tls.key}, 2),
      HasSubstr("readable on its way to 192.0.2.1:1"));
  EXPECT_THAT(Says("worker", {"run", "--data", scratch_.File("w"), "--tls-key", tls.key}, 2),
              HasSubstr("--tls-key without --tls-cert"));
}

TEST_F(DoorTest, WantsAKeyThatNobodyElseReads) {
  MakeCertificates(scratch_ / "tls", {"--coordinator", "localhost"});
  const access::TlsFiles tls = Files(scratch_ / "tls", "coordinator");
  Replace(tls.key, Content(tls.key), 0640);
  EXPECT_THAT(ServeSays(TlsFlags(tls), 1), HasSubstr("(mode 0640); run chmod 600 " + tls.key));
}

TEST_F(DoorTest, BelievesTheHostByItsName) {
  MakeCertificates(scratch_ / "tls", {"--coordinator", "elsewhere.example", "--operator", "olga"});
  Coordinator coordinator(scratch_, TlsFlags(Files(scratch_ / "tls", "coordinator")));
  access::ClientAccess access = As(scratch_ / "tls", "operator-olga");
  EXPECT_EQ(Client(coordinator.endpoint(), access).Call(kGetStatus).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  access.server_name = "elsewhere.example";
  EXPECT_TRUE(Client(coordinator.endpoint(), access).Call(kGetStatus).ok());

  // The same by the real commands.
  std::vector<std::string> words = TlsFlags(access.tls);
  words.insert(words.begin(), {"status", "--json", "--coordinator", coordinator.endpoint()});
  Says("coordinator", words, 4);
  words.insert(words.end(), {"--tls-server-name", "elsewhere.example"});
  EXPECT_THAT(Says("coordinator", words, 0), HasSubstr("{"));
  // And what it decided is in the audit under the certificate's name.
  words[0] = "pause";
  words.push_back("--all");
  Says("coordinator", words, 0);
  words[0] = "audit";
  words.pop_back();
  EXPECT_THAT(Says("coordinator", words, 0), HasSubstr("\"who\":\"olga ("));
}

}  // namespace
}  // namespace hnx::test
