// What the handlers make of files whose bytes are with peers.
#include <gtest/gtest.h>

#include "fake_mirror.h"
#include "gateway/gateway_options.h"
#include "gateway/substituter/gateway.h"

namespace hnx::gateway {
namespace {

struct Peers {
  std::string text;
  std::optional<Error> trouble;
  int asked = 0;
};

class FakeFarBytes final : public FarBytes {
 public:
  explicit FakeFarBytes(Peers& peers) : peers_(peers) {}
  Result<void> CheckAvailable() const override {
    ++peers_.asked;
    return peers_.trouble ? Result<void>(*peers_.trouble) : Result<void>();
  }
  Result<void> Begin(std::uint64_t /*offset*/) const override { return CheckAvailable(); }
  Result<void> Write(std::uint64_t offset, std::uint64_t length,
                     http::BodyPipe& body) const override {
    return body.Write(AsBytes(std::string_view(peers_.text).substr(offset, length)));
  }

 private:
  Peers& peers_;
};

// Everything but the NARs is here.
class FarFakeMirror final : public MirrorSource {
 public:
  FakeMirror local;
  mutable Peers peers;

  bool may_wait() const override { return true; }
  std::uint64_t version() const override { return local.version(); }
  Result<std::optional<std::string>> ReadFile(std::string_view path,
                                              std::uint64_t size_max) const override {
    return local.ReadFile(path, size_max);
  }
  Result<std::optional<SourceFile>> File(std::string_view path) const override {
    return local.File(path);
  }
  Result<std::optional<SourceFile>> Nar(std::string_view file) const override {
    HNX_ASSIGN_OR_RETURN(auto found, local.Nar(file));
    if (found) {
      found->far = std::make_shared<FakeFarBytes>(peers);
    }
    return found;
  }
  Result<std::vector<SourceListing>> List(std::string_view folder,
                                          std::size_t count_max) const override {
    return local.List(folder, count_max);
  }
  Result<bool> Refresh() override { return true; }
};

class FarAnswerTest : public ::testing::Test {
 protected:
  FarAnswerTest() {
    mirror_.local.files["/" + kHash + ".narinfo"] =
        "StorePath: /nix/store/" + kHash + "-hello\nURL: nar/" + kNarFile +
        "\nCompression: xz\nNarHash: "
        "sha256:1094wph9z4nwlgvsd53abfz8i117ykiv5dwnq9nnhz846s7xqd7d\nNarSize: 120\nReferences: "
        "\n";
    mirror_.local.files[nar_] = "0123456789";
    mirror_.local.gone.insert(nar_);
    mirror_.peers.text = "0123456789";
  }
  http::ServerResponse Get(const std::string& path, std::map<std::string, std::string> headers = {},
                           http::HttpMethod method = http::HttpMethod::kGet) {
    auto answer = gateway_.Answer(FakeRequest(path, std::move(headers), method));
    while (answer.later) {
      answer = answer.later();
    }
    return answer;
  }
  static std::string HeaderOf(const http::ServerResponse& response, const std::string& name) {
    for (const auto& header : response.headers) {
      if (header.name == name) {
        return header.value;
      }
    }
    return {};
  }
  static std::string Streamed(const http::ServerResponse& response) {
    EXPECT_TRUE(response.stream);
    http::BodyPipe pipe;
    EXPECT_TRUE(response.stream->write(pipe));
    std::string text(response.stream->length, '\0');
    EXPECT_EQ(pipe.Read(std::as_writable_bytes(std::span(text)), [] {}).size, text.size());
    return text;
  }

  const std::string narinfo_ = "/" + kHash + ".narinfo";
  const std::string nar_ = "/nar/" + kNarFile;
  FarFakeMirror mirror_;
  http::MetricsRegistry metrics_;
  Gateway gateway_{mirror_, {}, metrics_, [] { return std::vector<http::ReadyItem>(); }};
};

TEST_F(FarAnswerTest, CacheInfoAndBadPathsWaitForNobody) {
  EXPECT_FALSE(gateway_.Answer(FakeRequest("/nix-cache-info")).later);
  EXPECT_FALSE(gateway_.Answer(FakeRequest("/../etc/passwd")).later);
  EXPECT_FALSE(gateway_.Answer(FakeRequest("/healthz")).later);
  EXPECT_TRUE(gateway_.Answer(FakeRequest(narinfo_)).later);
}

TEST_F(FarAnswerTest, ANarInfoIsGivenWhilePeersHaveItsNarAndLookedAtEachTime) {
  EXPECT_EQ(Get(narinfo_).effective_status(), 200);
  EXPECT_EQ(Get(narinfo_).effective_status(), 200);
  EXPECT_EQ(mirror_.peers.asked, 2);
  mirror_.peers.trouble = Unavailable("nobody");
  const auto refused = Get(narinfo_);
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(HeaderOf(refused, "X-Hypercore-Reason"), "no-peers");
  EXPECT_EQ(HeaderOf(refused, "Cache-Control"), "no-store");
}

TEST_F(FarAnswerTest, ANarInfoWhoseNarIsHeldIsRememberedUntilNarsGo) {
  mirror_.local.gone.clear();
  ASSERT_EQ(Get(narinfo_).effective_status(), 200);
  EXPECT_FALSE(gateway_.Answer(FakeRequest(narinfo_)).later);
  mirror_.local.gone.insert(nar_);
  mirror_.peers.trouble = Unavailable("nobody");
  gateway_.ForgetAnswers();
  EXPECT_EQ(Get(narinfo_).status, 404);
}

TEST_F(FarAnswerTest, ANarIsStreamedWholeOrInPart) {
  const auto whole = Get(nar_);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(Streamed(whole), "0123456789");
  const auto part = Get(nar_, {{"Range", "bytes=3-5"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(HeaderOf(part, "Content-Range"), "bytes 3-5/10");
  EXPECT_EQ(Streamed(part), "345");
  EXPECT_EQ(Get(nar_, {{"Range", "bytes=10-"}}).status, 416);
}

TEST_F(FarAnswerTest, ANarThatIsHeldIsAFile) {
  mirror_.local.gone.clear();
  const auto answer = Get(nar_);
  EXPECT_TRUE(answer.file);
  EXPECT_FALSE(answer.stream);
  EXPECT_EQ(mirror_.peers.asked, 0);
}

TEST_F(FarAnswerTest, EveryTroubleHasItsReason) {
  for (const auto& [code, reason] : {std::pair{ErrorCode::kUnavailable, "no-peers"},
                                     std::pair{ErrorCode::kDeadlineExceeded, "peers-slow"},
                                     std::pair{ErrorCode::kFailedPrecondition, "no-head"},
                                     std::pair{ErrorCode::kCancelled, "stopping"}}) {
    mirror_.peers.trouble = Error{code, "trouble"};
    for (const auto& path : {nar_, narinfo_}) {
      const auto refused = Get(path);
      EXPECT_EQ(refused.status, 404) << path;
      EXPECT_EQ(HeaderOf(refused, "X-Hypercore-Reason"), reason);
      EXPECT_EQ(HeaderOf(refused, "Cache-Control"), "no-store");
    }
  }
  mirror_.peers.trouble = DataLoss("a block does not verify");
  EXPECT_EQ(Get(nar_).status, 503);
}

TEST(ChooseMirrorTest, TakesOneMirrorAndAWayToIt) {
  const std::string key(64, 'a');
  GatewayOptions options;
  EXPECT_FALSE(ChooseMirror(options));
  options.mirror = "hyper://" + key;
  options.cache = "/tmp/cache";
  options.swarm.swarm = "off";
  EXPECT_FALSE(ChooseMirror(options));
  options.swarm.swarm = "auto";
  auto choice = ChooseMirror(options);
  ASSERT_TRUE(choice);
  EXPECT_TRUE(std::get<FarChoice>(*choice).swarm);
  options.peers = {"127.0.0.1:1"};
  choice = ChooseMirror(options);
  ASSERT_TRUE(choice);
  EXPECT_FALSE(std::get<FarChoice>(*choice).swarm);
  EXPECT_TRUE(std::get<FarChoice>(*choice).index_whole);
  options.index = "sparse";
  choice = ChooseMirror(options);
  ASSERT_TRUE(choice);
  EXPECT_FALSE(std::get<FarChoice>(*choice).index_whole);
  options.index = "some";
  EXPECT_FALSE(ChooseMirror(options));
  options = GatewayOptions();
  options.drives = {"/tmp/drives"};
  EXPECT_FALSE(ChooseMirror(options));
  options.index = "hyper://" + key;
  EXPECT_TRUE(ChooseMirror(options));
  options.verify_reads = true;
  EXPECT_TRUE(ChooseMirror(options));
  options.mirror = key;
  EXPECT_FALSE(ChooseMirror(options));
  options.drives.clear();
  options.index.clear();
  options.peers = {"127.0.0.1:1"};
  EXPECT_FALSE(ChooseMirror(options));
  options.verify_reads = false;
  EXPECT_TRUE(ChooseMirror(options));
}

}  // namespace
}  // namespace hnx::gateway
