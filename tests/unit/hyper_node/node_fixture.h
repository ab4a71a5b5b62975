// A drive that is written in this process, and peer nodes on the loopback that serve and read it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "drive_fixture.h"
#include "hyper/node/peer_node.h"

namespace hnx::hyper {

using namespace std::chrono_literals;

inline constexpr std::size_t kBlock = kBlobBlockBytes;

// Nothing here takes so long unless it never comes.
inline constexpr std::chrono::milliseconds kLong{20'000};

class NodeFixture : public DriveFixture {
 protected:
  static std::unique_ptr<PeerNode> Node(const std::vector<std::string>& peers = {},
                                        PeerNodeEvents events = {}) {
    PeerNodeOptions options;
    options.listen = {"127.0.0.1:0"};
    options.peers = peers;
    return Must(PeerNode::Start(std::move(options), std::move(events)));
  }
  static std::string AddressOf(const PeerNode& node) { return node.addresses().front(); }

  void Serve(PeerNode& node, HeadRule rule = HeadRule::kNewest) {
    ServeFolder(node, folder(), rule);
  }
  void ServeFolder(PeerNode& node, const std::filesystem::path& folder,
                   HeadRule rule = HeadRule::kNewest) {
    Must(node.AddServedDrive({drive_->key(), drive_->content_key(), folder, rule}));
  }
  // A node that serves the drive.
  std::unique_ptr<PeerNode> Origin() {
    auto node = Node();
    Serve(*node);
    return node;
  }
  // A copy of the drive's folder as it is now.
  std::filesystem::path CopyFolder(const std::string& name) {
    std::filesystem::copy(folder(), folder_.path() / name,
                          std::filesystem::copy_options::recursive);
    return folder_.path() / name;
  }

  std::shared_ptr<RemoteDrive> OpenRemote(PeerNode& node, const std::string& name = "cache") {
    RemoteDriveOptions options;
    options.folder = folder_.path() / name;
    return Must(node.OpenRemote(drive_->key(), options));
  }
  static std::shared_ptr<const DriveView> View(RemoteDrive& remote,
                                               std::chrono::milliseconds time = kLong) {
    Must(remote.WaitForHead(ReadLimits::Within(time)));
    return Must(remote.View(ReadLimits::Within(time)));
  }
  static std::string ReadFrom(const DriveView& view, const std::string& path) {
    return ToString(Must(view.ReadFile(path, 256 << 20)));
  }
  static BlobId BlobOf(const DriveView& view, const std::string& path) {
    const auto entry = Must(view.Entry(path));
    EXPECT_TRUE(entry && entry->blob) << path;
    return entry && entry->blob ? *entry->blob : BlobId{};
  }
};

}  // namespace hnx::hyper
