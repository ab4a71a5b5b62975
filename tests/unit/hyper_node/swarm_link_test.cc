// The C++ end of the swarm bridge's control connection, against a scripted bridge.
#include <array>
#include <cstring>

#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include "hyper/core/keys.h"
#include "node_fixture.h"

namespace hnx::hyper {
namespace {

using nlohmann::json;

class ScriptedBridge {
 public:
  explicit ScriptedBridge(const std::filesystem::path& path, unsigned char fill = 0xaa)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    std::string hello = {1, 1};
    hello.append(32, static_cast<char>(fill));
    Send(hello);
  }

  void Send(const std::string& body) {
    std::string frame(4, '\0');
    const auto size = static_cast<std::uint32_t>(body.size());
    std::memcpy(frame.data(), &size, sizeof size);
    frame += body;
    EXPECT_EQ(::send(fd_.get(), frame.data(), frame.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(frame.size()));
  }
  json Next() {
    std::uint32_t size = 0;
    std::array<char, 4> head{};
    Take(head.data(), head.size());
    std::memcpy(&size, head.data(), sizeof size);
    std::string body(size, '\0');
    Take(body.data(), body.size());
    return json::parse(body);
  }
  void SendState(std::uint64_t revision, bool settled) {
    Send(json{{"type", "state"},
              {"revision", revision},
              {"settled", settled},
              {"online", true},
              {"connections", 0},
              {"topics", json::array({{{"peers", 2}}})},
              {"unheard_of", {1, 2}}}
             .dump());
  }

 private:
  void Take(char* to, std::size_t size) {
    for (std::size_t at = 0; at < size;) {
      const ssize_t got = ::recv(fd_.get(), to + at, size - at, 0);
      if (got <= 0) {
        throw std::runtime_error("the control connection ended");
      }
      at += static_cast<std::size_t>(got);
    }
  }

  UniqueFd fd_;
};

class SwarmLinkTest : public NodeFixture {
 protected:
  SwarmLinkTest() {
    PeerNodeOptions options;
    options.swarm_socket = socket();
    node_ = Must(PeerNode::Start(std::move(options)));
  }
  std::filesystem::path socket() const { return folder_.path() / "swarm.sock"; }
  std::string TopicHex() const {
    CoreKey key;
    key.bytes = drive_->key().bytes();
    return DiscoveryKeyOf(key).ToHex();
  }

  std::unique_ptr<PeerNode> node_;
};

TEST_F(SwarmLinkTest, ABridgeIsToldTheWholeListWheneverItChanges) {
  ScriptedBridge bridge(socket());
  const json empty = bridge.Next();
  EXPECT_EQ(empty["type"], "desired");
  EXPECT_TRUE(empty["topics"].empty());
  auto remote = OpenRemote(*node_);
  const json looked = bridge.Next();
  EXPECT_GT(looked["revision"], empty["revision"]);
  ASSERT_EQ(looked["topics"].size(), 1U);
  EXPECT_EQ(looked["topics"][0]["topic"], TopicHex());
  EXPECT_EQ(looked["topics"][0]["lookup"], true);
  remote.reset();
  EXPECT_TRUE(bridge.Next()["topics"].empty());
  Serve(*node_);
  const json served = bridge.Next();
  EXPECT_EQ(served["topics"][0]["announce"], true);
  EXPECT_EQ(served["topics"][0]["lookup"], false);
  // A bridge that comes later is told at once.
  ScriptedBridge second(socket(), 0xbb);
  EXPECT_EQ(second.Next()["revision"], served["revision"]);
}

TEST_F(SwarmLinkTest, NobodyFoundIsKnownWhenEveryBridgeHasSettled) {
  ScriptedBridge bridge(socket());
  bridge.Next();
  const auto remote = OpenRemote(*node_);
  const std::uint64_t revision = bridge.Next()["revision"];
  bridge.SendState(revision - 1, true);
  EXPECT_EQ(CodeOf(remote->WaitForHead(ReadLimits::Within(100ms))), ErrorCode::kDeadlineExceeded);
  EXPECT_FALSE(node_->swarm().settled) << "settled for an older list";
  bridge.Send("no JSON at all");
  bridge.SendState(revision, true);
  EXPECT_EQ(CodeOf(remote->WaitForHead(ReadLimits::Within(kLong))), ErrorCode::kUnavailable);
  EXPECT_TRUE(node_->swarm().settled);
  EXPECT_TRUE(node_->swarm().online);
  EXPECT_EQ(node_->swarm().peers_known, 2U);
}

TEST_F(SwarmLinkTest, ABridgeThatLeavesCountsNoMore) {
  {
    ScriptedBridge bridge(socket());
    bridge.Next();
    EXPECT_EQ(node_->swarm().bridges, 1U);
  }
  while (node_->swarm().bridges != 0) {
  }
  EXPECT_FALSE(node_->swarm().settled);
}

TEST(SwarmMessagesTest, ReadsWhatItKnowsAndLeavesTheRest) {
  EXPECT_FALSE(DecodeBridgeState("[]").has_value());
  EXPECT_FALSE(DecodeBridgeState("{\"type\":\"error\"}").has_value());
  const auto state =
      DecodeBridgeState("{\"type\":\"state\",\"revision\":-1,\"topics\":[3,{\"peers\":\"x\"}]}");
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->revision, 0U);
  EXPECT_EQ(state->peers, 0U);
}

TEST(SwarmMessagesTest, AListNeverExceedsWhatABridgeTakes) {
  std::map<DiscoveryKey, SwarmTopic> topics;
  for (std::size_t i = 0; i < kSwarmTopicsMax + 10; ++i) {
    DiscoveryKey key;
    std::memcpy(key.bytes.data(), &i, sizeof i);
    topics[key] = {.announce = true, .lookup = false};
  }
  const json list = json::parse(EncodeDesired(3, 64, topics));
  EXPECT_EQ(list["topics"].size(), kSwarmTopicsMax);
}

}  // namespace
}  // namespace hnx::hyper
