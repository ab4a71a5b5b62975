// What the doctors say of certificates that deploy/tls/make-certificates made, or that are not
// right.
#include "access/access_checks.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "access/token.h"

namespace hnx::access {
namespace {

class AccessChecksTest : public testing::Test {
 protected:
  AccessChecksTest() {
    std::string name = std::filesystem::temp_directory_path() / "hnx-checks-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~AccessChecksTest() override { std::filesystem::remove_all(folder_); }

  // In the folder `set`.
  void Make(const std::string& set, const std::string& words) {
    const char* source = std::getenv("HNX_SOURCE_DIR");
    ASSERT_NE(source, nullptr) << "run by ctest";
    const std::string command = std::string("'") + source + "/deploy/tls/make-certificates' '" +
                                (folder_ / set).string() + "' " + words + " >/dev/null";
    // NOLINTNEXTLINE(cert-env33-c): as users run it
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  TlsFiles Files(const std::string& set, const std::string& who) const {
    return {.cert = folder_ / set / (who + ".crt"),
            .key = folder_ / set / (who + ".key"),
            .ca = folder_ / set / "ca.crt"};
  }
  static void Expect(const cli::Checkup& checkup, cli::CheckLevel level, const std::string& text) {
    const auto& all = checkup.findings();
    EXPECT_TRUE(std::ranges::any_of(
        all,
        [&](const cli::Finding& finding) {
          return finding.level == level && finding.what.find(text) != std::string::npos &&
                 (level == cli::CheckLevel::kOk || !finding.remedy.empty());
        }))
        << text << " is not in: " << (all.empty() ? "nothing" : all.front().what);
  }
  cli::Checkup Server(const TlsFiles& tls, const std::string& host) const {
    cli::Checkup checkup;
    CheckServer(checkup, {.tls = tls}, host, Clock::Real());
    return checkup;
  }
  cli::Checkup Worker(const TlsFiles& tls) const {
    cli::Checkup checkup;
    CheckClient(checkup, {.tls = tls}, {Role::kWorker}, Clock::Real());
    return checkup;
  }

  std::filesystem::path folder_;
};

TEST_F(AccessChecksTest, FindNothingWrongWithWhatTheScriptMakes) {
  Make("a", "--coordinator mirror.example,10.0.0.1 --worker w1");
  Expect(Server(Files("a", "coordinator"), "mirror.example"), cli::CheckLevel::kOk,
         "mirror.example");
  Expect(Server(Files("a", "coordinator"), "10.0.0.1"), cli::CheckLevel::kOk, "10.0.0.1");
  Expect(Worker(Files("a", "worker-w1")), cli::CheckLevel::kOk, "is w1's");
}

TEST_F(AccessChecksTest, SayThatACertificateExpiredOrSoonWill) {
  Make("a", "--days -1 --coordinator a.example --days 7 --worker w1");
  Expect(Server(Files("a", "coordinator"), "a.example"), cli::CheckLevel::kFault, "expired on");
  const auto soon = Worker(Files("a", "worker-w1"));
  Expect(soon, cli::CheckLevel::kWarning, "expires on");
  EXPECT_EQ(soon.Count(cli::CheckLevel::kFault), 0U);
}

TEST_F(AccessChecksTest, SayWhoseKeyItIsNot) {
  Make("a", "--worker w1 --worker w2");
  TlsFiles mixed = Files("a", "worker-w1");
  mixed.key = Files("a", "worker-w2").key;
  Expect(Worker(mixed), cli::CheckLevel::kFault, "the private key is not the certificate's");
}

TEST_F(AccessChecksTest, SayThatAFileIsMissingBrokenOrReadByOthers) {
  Make("a", "--worker w1");
  TlsFiles files = Files("a", "worker-w1");
  files.cert = folder_ / "nowhere";
  Expect(Worker(files), cli::CheckLevel::kFault, "nowhere");
  files = Files("a", "worker-w1");
  std::ofstream(folder_ / "broken") << "-----BEGIN CERTIFICATE-----\nAAAA\n";
  files.ca = folder_ / "broken";
  Expect(Worker(files), cli::CheckLevel::kFault, "--tls-ca");
  files = Files("a", "worker-w1");
  ASSERT_EQ(::chmod(files.key.c_str(), 0644), 0);
  Expect(Worker(files), cli::CheckLevel::kFault, "others may read it");
}

TEST_F(AccessChecksTest, SayThatTheHostIsAnother) {
  Make("a", "--coordinator a.example");
  Expect(Server(Files("a", "coordinator"), "b.example"), cli::CheckLevel::kWarning,
         "is not for b.example");
  Make("b", "--operator o");
  Expect(Server(Files("b", "operator-o"), "b.example"), cli::CheckLevel::kFault,
         "no subject alternative name");
}

TEST_F(AccessChecksTest, SayThatTheRoleIsAnother) {
  Make("a", "--viewer v");
  Expect(Worker(Files("a", "viewer-v")), cli::CheckLevel::kFault, "its roles are viewer");
}

TEST_F(AccessChecksTest, LookAtTokens) {
  const std::string file = folder_ / "token";
  std::ofstream(file) << MakeToken();
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  cli::Checkup checkup;
  CheckClient(checkup, {.tls = {}, .server_name = "", .token_file = file}, {}, Clock::Real());
  Expect(checkup, cli::CheckLevel::kFault, "others may read it");
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  cli::Checkup well;
  CheckClient(well, {.tls = {}, .server_name = "", .token_file = file}, {}, Clock::Real());
  Expect(well, cli::CheckLevel::kOk, "can be read");
  cli::Checkup server;
  CheckServer(server, {.tls = {}, .tokens_file = file}, "a.example", Clock::Real());
  Expect(server, cli::CheckLevel::kFault, "line 1: want ROLE NAME SHA256");
}

}  // namespace
}  // namespace hnx::access
