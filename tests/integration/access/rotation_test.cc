// Certificates are exchanged while calls run: authority, coordinator's, callers', and the old
// authority goes.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "access_rig.h"
#include "rpc/channel.h"

namespace hnx::test {
namespace {

// Calls without an end, each thread on a channel of its own; and one that makes a new connection
// for each call.
class Load {
 public:
  Load(std::string endpoint, std::shared_ptr<const rpc::ClientCredentials> credentials)
      : endpoint_(std::move(endpoint)), credentials_(std::move(credentials)) {
    constexpr int kSteady = 3;
    for (int i = 0; i < kSteady; ++i) {
      threads_.emplace_back([this] { Run(false); });
    }
    threads_.emplace_back([this] { Run(true); });
  }
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }
  std::uint64_t calls() const { return calls_; }
  std::uint64_t connections() const { return connections_; }
  std::uint64_t failures() const { return failures_; }

 private:
  void Run(bool anew) {
    std::unique_ptr<Client> client;
    while (!stop_) {
      if (client == nullptr || anew) {
        client = std::make_unique<Client>(endpoint_, credentials_);
        ++connections_;
      }
      const grpc::Status status = client->Call(kGetStatus);
      ++calls_;
      if (!status.ok()) {
        ++failures_;
        ADD_FAILURE() << status.error_code() << " " << status.error_message();
        return;
      }
    }
  }

  const std::string endpoint_;
  const std::shared_ptr<const rpc::ClientCredentials> credentials_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> connections_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::vector<std::thread> threads_;
};

class RotationTest : public testing::Test {
 protected:
  RotationTest() {
    MakeCertificates(old_, {"--coordinator", "127.0.0.1", "--operator", "olga"});
    MakeCertificates(new_, {"--coordinator", "127.0.0.1", "--operator", "nora"});
    for (const char* side : {"server", "client"}) {
      std::filesystem::create_directory(scratch_ / side);
    }
    for (const char* part : {".crt", ".key"}) {
      Replace(server_ / ("leaf" + std::string(part)),
              Content(old_ / ("coordinator" + std::string(part))));
      Replace(client_ / ("leaf" + std::string(part)),
              Content(old_ / ("operator-olga" + std::string(part))));
    }
    TrustBoth(Content(old_ / "ca.crt"));
  }

  void TrustBoth(const std::string& authorities) {
    Replace(server_ / "ca.crt", authorities);
    Replace(client_ / "ca.crt", authorities);
  }

  // Whether the server lets in, and is believed by, one who has `who` of `folder` and believes its
  // authority or `ca`.
  static bool Works(const std::string& endpoint, const std::filesystem::path& folder,
                    const std::string& who, const std::string& ca) {
    access::ClientAccess access = As(folder, who);
    access.tls.ca = ca;
    return Client(endpoint, access).Call(kGetStatus).ok();
  }

  Scratch scratch_;
  const std::filesystem::path old_ = scratch_ / "old";
  const std::filesystem::path new_ = scratch_ / "new";
  const std::filesystem::path server_ = scratch_ / "server";
  const std::filesystem::path client_ = scratch_ / "client";
};

TEST_F(RotationTest, LosesNoCall) {
  Coordinator coordinator(scratch_, TlsFlags(Files(server_, "leaf")));
  const std::string endpoint = coordinator.endpoint();
  auto made = rpc::ClientCredentials::Make(As(client_, "leaf"), {endpoint});
  ASSERT_TRUE(made.has_value()) << made.error().message;
  const auto credentials = *made;
  Load load(endpoint, credentials);

  // 1. Both sides believe both authorities.
  const std::string both = Content(old_ / "ca.crt") + Content(new_ / "ca.crt");
  TrustBoth(both);
  const std::string both_file = client_ / "ca.crt";
  WaitUntil("the coordinator believes the new authority",
            [&] { return Works(endpoint, new_, "operator-nora", both_file); });
  {
    // The callers do when they believe somebody who has a certificate of the new one only.
    Scratch other;
    Coordinator probe(other, TlsFlags({.cert = new_ / "coordinator.crt",
                                       .key = new_ / "coordinator.key",
                                       .ca = both_file}));
    WaitUntil("the callers believe the new authority",
              [&] { return Client(probe.endpoint(), credentials).Call(kGetStatus).ok(); });
  }

  // 2. The coordinator's certificate and key, one after the other: the pair that does not fit does
  // no harm.
  Replace(server_ / "leaf.crt", Content(new_ / "coordinator.crt"));
  coordinator.process().WaitForLine("the private key is not the certificate's");
  EXPECT_EQ(load.failures(), 0U);
  Replace(server_ / "leaf.key", Content(new_ / "coordinator.key"));
  WaitUntil("the coordinator shows its new certificate",
            [&] { return Works(endpoint, new_, "operator-nora", new_ / "ca.crt"); });
  EXPECT_FALSE(Works(endpoint, new_, "operator-nora", old_ / "ca.crt"));

  // 3. The callers' own, key first.
  Replace(client_ / "leaf.key", Content(new_ / "operator-nora.key"));
  Replace(client_ / "leaf.crt", Content(new_ / "operator-nora.crt"));
  WaitUntil("new connections are nora's", [&] {
    return Client(endpoint, credentials).Call(kSynchronize).error_message().find("nora") !=
           std::string::npos;
  });

  // 4. The old authority goes.
  TrustBoth(Content(new_ / "ca.crt"));
  WaitUntil("the old authority's certificates are refused",
            [&] { return !Works(endpoint, old_, "operator-olga", new_ / "ca.crt"); });
  EXPECT_TRUE(Works(endpoint, new_, "operator-nora", new_ / "ca.crt"));

  const std::uint64_t before = load.calls();
  WaitUntil("calls go on", [&] { return load.calls() > before + 10 || load.failures() > 0; });
  load.Stop();
  EXPECT_EQ(load.failures(), 0U);
  EXPECT_GT(load.connections(), 10U);
}

TEST_F(RotationTest, ACallerComesBackInAfterTheCoordinatorWasAway) {
  auto first = std::make_unique<Coordinator>(scratch_, TlsFlags(Files(server_, "leaf")));
  const std::string endpoint = first->endpoint();
  Client client(endpoint, As(client_, "leaf"));
  ASSERT_TRUE(client.Call(kGetStatus).ok());
  first.reset();
  WaitUntil("the coordinator is away", [&] { return !client.Call(kGetStatus).ok(); });
  Scratch other;
  const Coordinator second(other, TlsFlags(Files(server_, "leaf")), endpoint);
  WaitUntil("it is let in again", [&] { return client.Call(kGetStatus).ok(); });
}

// With the default, an hour, this connection would stay: that is what ends it.
TEST_F(RotationTest, EndsTheConnectionOfACallerWhoseAuthorityIsGone) {
  for (const bool soon : {false, true}) {
    TrustBoth(Content(old_ / "ca.crt") + Content(new_ / "ca.crt"));
    std::vector<std::string> flags = TlsFlags(Files(server_, "leaf"));
    if (soon) {
      flags.insert(flags.end(), {"--connection-age", "2s"});
    }
    Scratch folder;
    Coordinator coordinator(folder, flags);
    Client client(coordinator.endpoint(), As(old_, "operator-olga"));
    ASSERT_TRUE(client.Call(kGetStatus).ok());
    Replace(server_ / "ca.crt", Content(new_ / "ca.crt"));
    WaitUntil("new connections are refused", [&] {
      return !Works(coordinator.endpoint(), old_, "operator-olga", old_ / "ca.crt");
    });
    if (soon) {
      WaitUntil("the open one is ended", [&] { return !client.Call(kGetStatus).ok(); });
    } else {
      EXPECT_TRUE(client.Call(kGetStatus).ok());
    }
  }
}

TEST_F(RotationTest, ConnectionsThatEndLoseNoCall) {
  std::vector<std::string> flags = TlsFlags(Files(server_, "leaf"));
  flags.insert(flags.end(), {"--connection-age", "1s"});
  Coordinator coordinator(scratch_, flags);
  const auto made =
      rpc::ClientCredentials::Make(As(old_, "operator-olga"), {coordinator.endpoint()});
  ASSERT_TRUE(made.has_value()) << made.error().message;
  Load load(coordinator.endpoint(), *made);
  const auto begun = std::chrono::steady_clock::now();
  WaitUntil("some connections have ended", [&] {
    return load.failures() > 0 ||
           std::chrono::steady_clock::now() - begun > std::chrono::seconds(5);
  });
  load.Stop();
  EXPECT_EQ(load.failures(), 0U);
}

TEST_F(RotationTest, KeepsWhatWorksWhenTheNewFilesAreBroken) {
  Coordinator coordinator(scratch_, TlsFlags(Files(server_, "leaf")));
  Replace(server_ / "leaf.crt", "no certificate");
  coordinator.process().WaitForLine("there is no certificate in it");
  EXPECT_TRUE(Works(coordinator.endpoint(), old_, "operator-olga", old_ / "ca.crt"));
  Replace(server_ / "leaf.crt", Content(old_ / "coordinator.crt"));
  Replace(server_ / "leaf.key", Content(old_ / "coordinator.key"), 0644);
  coordinator.process().WaitForLine("others may read it (mode 0644); run chmod 600");
  EXPECT_TRUE(Works(coordinator.endpoint(), old_, "operator-olga", old_ / "ca.crt"));
}

}  // namespace
}  // namespace hnx::test
