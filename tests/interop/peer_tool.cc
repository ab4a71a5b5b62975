// peer_tool: a peer that tests drive by lines on stdin. Each command is answered by one line on
// stdout ("ok ...", or "error ..."); events come as lines that begin with '*'.
//
//   listen                       ok 127.0.0.1:PORT
//   dial ADDRESS                 ok
//   drive ROOT                   serves db and content core of the drive in a store;
//                                ok KEY CONTENT_KEY
//   core KEY ROOT newest|accepted   serves one core of a store
//   accept KEY ROOT              announces the newest head there (accepted cores)
//   refresh KEY                  looks at the files now
//   replica KEY ROOT [follow]    makes or opens a replica in a store
//   select KEY BEGIN END|head    wants blocks; "* complete KEY" when they are there
//   fetch KEY INDEX              ok SIZE FNV1A
//   sums KEY ROOT                ok and a JSON object: path -> FNV-1a of each file of a drive here
//   head KEY                     ok LENGTH CONTIGUOUS PEERS
//   have KEY BEGIN END           answers when these blocks are committed
//   wait KEY LENGTH              answers when the replica has the head of that length
//   stats                        ok and one JSON object
//   remote KEY ROOT ADDRESS      opens a drive for reading from afar, with a node of its own
//   remote-wait LENGTH           ok VERSION, when that version is known
//   remote-received              ok BLOCKS of the content that came from peers
//   remote-list FOLDER           ok and a JSON array of paths
//   remote-cat PATH OFFSET LENGTH   ok SIZE FNV1A of that part of a file
//   drop                         closes all streams
//   quit
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/hex.h"
#include "base/log.h"
#include "hyper/core/keys.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/node/peer_node.h"
#include "hyper/replication/replicator.h"
#include "hyper/replication/replicator_driver.h"
#include "hyper/storage/flat_core_storage.h"
#include "hyper/transport/event_loop.h"
#include "hyper/transport/tcp_connector.h"
#include "hyper/transport/tcp_listener.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {
namespace {

using Words = std::vector<std::string>;

std::uint32_t Fnv1a(ByteView bytes) {
  std::uint32_t sum = 2166136261U;
  for (const std::byte b : bytes) {
    sum = (sum ^ std::to_integer<std::uint32_t>(b)) * 16777619U;
  }
  return sum;
}

void Say(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  std::cout << line << '\n' << std::flush;
}

class Tool final : public ReplicationListener {
 public:
  Tool() : loop_("peer-tool", Clock::Real()), transport_(loop_, KeyPair::Generate(), Options()) {
    replicator_ = std::make_unique<Replicator>(Clock::Real(), this);
    driver_ = std::make_unique<ReplicatorDriver>(loop_, *replicator_);
    loop_.Start();
    loop_.RunAndWait([this] { driver_->Start(); });
  }
  ~Tool() override {
    remote_.reset();
    remote_node_.reset();
    loop_.RunAndWait([this] {
      connectors_.clear();
      listener_.reset();
      driver_.reset();
      replicator_.reset();
    });
    loop_.Stop();
  }
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;
  Tool(Tool&&) = delete;
  Tool& operator=(Tool&&) = delete;

  // The answer; on the loop's thread.
  void Execute(const Words& words, const std::function<void(Result<std::string>)>& answer);
  EventLoop& loop() { return loop_; }
  // Commands that wait: not on the loop's thread.
  Result<std::string> Remote(const Words& words);

  void OnHead(const CoreKey& core, const CoreHead& head) override {
    Say(fmt::format("* head {} {}", core.ToHex(), head.length));
    CheckWaits();
  }
  void OnLiar(const CoreKey& core, const PublicKey& /*peer*/,
              const ProofRefused& refused) override {
    Say(fmt::format("* liar {} {}", core.ToHex(), ProofFaultName(refused.fault)));
  }
  void OnForkAhead(const CoreKey& core, const ForkAhead& fork) override {
    Say(fmt::format("* fork {} {}", core.ToHex(), fork.fork));
  }
  void OnConflict(const CoreKey& core, const TreeConflict& conflict) override {
    Say(fmt::format("* conflict {} {}", core.ToHex(), conflict.length));
  }
  void OnTrouble(const CoreKey& core, const Error& error) override {
    Say(fmt::format("* trouble {} {}", core.ToHex(), error.ToString()));
  }
  void OnStreamEnded(StreamId id, const PublicKey& /*peer*/, const Error& reason) override {
    streams_.erase(id);
    Say(fmt::format("* ended {} {}", id, reason.ToString()));
  }

 private:
  static TransportOptions Options() {
    TransportOptions options;
    options.connections_per_address_max = 1024;  // all tests come from one address
    return options;
  }

  void Take(std::unique_ptr<PeerStream> stream) {
    const Result<StreamId> id = replicator_->AddStream(std::move(stream));
    if (id) {
      streams_[*id] = true;
      Say(fmt::format("* stream {}", *id));
    }
  }
  Result<std::string> Now(const Words& words);
  Result<std::string> Listen();
  Result<std::string> Drive(const Words& words);
  Result<std::string> Core(const Words& words);
  Result<std::string> Accept(const Words& words);
  Result<std::string> Replica(const Words& words);
  Result<std::string> Select(const Words& words);
  Result<std::string> Head(const Words& words);
  static Result<std::string> Sums(const Words& words);
  std::string Stats() const;
  void CheckWaits();

  EventLoop loop_;
  Transport transport_;
  std::unique_ptr<Replicator> replicator_;
  std::unique_ptr<ReplicatorDriver> driver_;
  std::unique_ptr<TcpListener> listener_;
  std::vector<std::unique_ptr<TcpConnector>> connectors_;
  std::map<StreamId, bool> streams_;
  void OnBlocks(const CoreKey& /*core*/, BlockRange /*blocks*/) override { CheckWaits(); }
  struct Wait {
    CoreKey key;
    BlockRange blocks;  // empty: only the length counts
    std::uint64_t length = 0;
    std::function<void(Result<std::string>)> answer;
  };
  std::vector<Wait> waits_;
  std::unique_ptr<PeerNode> remote_node_;
  std::shared_ptr<RemoteDrive> remote_;
};

void Tool::CheckWaits() {
  for (auto at = waits_.begin(); at != waits_.end();) {
    Downloader* const downloader = replicator_->FindDownloader(at->key);
    ReplicaCore* const replica = downloader == nullptr ? nullptr : &downloader->replica();
    if (replica != nullptr && replica->length() >= at->length &&
        replica->HasAll(at->blocks).value_or(false)) {
      at->answer("length " + std::to_string(replica->length()));
      at = waits_.erase(at);
    } else {
      ++at;
    }
  }
}

Result<std::string> Tool::Listen() {
  HNX_ASSIGN_OR_RETURN(listener_, TcpListener::Listen(transport_, "127.0.0.1:0",
                                                      [this](std::unique_ptr<PeerStream> stream) {
                                                        Take(std::move(stream));
                                                      }));
  return listener_->address();
}

Result<std::string> Tool::Drive(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const auto reader, DriveReader::Open({words.at(1), std::nullopt, 0}));
  const CoreKey db{reader->key().bytes()};
  const CoreKey content{reader->content_key().bytes()};
  for (const CoreKey& key : {db, content}) {
    HNX_TRY(replicator_->AddFolder(key, CoreFolder(words.at(1), DiscoveryKeyOf(key)),
                                   HeadRule::kNewest));
  }
  return db.ToHex() + " " + content.ToHex();
}

Result<std::string> Tool::Core(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const CoreKey key, ParseCoreKey(words.at(1)));
  HNX_TRY(
      replicator_->AddFolder(key, CoreFolder(words.at(2), DiscoveryKeyOf(key)),
                             words.at(3) == "accepted" ? HeadRule::kAccepted : HeadRule::kNewest));
  return std::string();
}

Result<std::string> Tool::Accept(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const CoreKey key, ParseCoreKey(words.at(1)));
  HNX_ASSIGN_OR_RETURN(auto storage,
                       FlatCoreStorage::OpenReadOnly(CoreFolder(words.at(2), DiscoveryKeyOf(key))));
  HNX_ASSIGN_OR_RETURN(const auto reader, CoreReader::Open(std::move(storage)));
  HNX_TRY(replicator_->SetAccepted(key, reader->head()));
  return std::to_string(reader->head().length);
}

Result<std::string> Tool::Replica(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const CoreKey key, ParseCoreKey(words.at(1)));
  HNX_ASSIGN_OR_RETURN(
      Downloader* const downloader,
      replicator_->AcquireReplica(key, CoreFolder(words.at(2), DiscoveryKeyOf(key))));
  downloader->SetFollow(words.size() > 3 && words.at(3) == "follow");
  return std::to_string(downloader->replica().length());
}

Result<std::string> Tool::Select(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const CoreKey key, ParseCoreKey(words.at(1)));
  Downloader* const downloader = replicator_->FindDownloader(key);
  if (downloader == nullptr) {
    return NotFound("no replica");
  }
  Selection selection;
  selection.blocks.begin = BlockIndex(std::stoull(words.at(2)));
  selection.to_head = words.at(3) == "head";
  selection.blocks.end =
      selection.to_head ? selection.blocks.begin : BlockIndex(std::stoull(words.at(3)));
  selection.on_complete = [key] { Say("* complete " + key.ToHex()); };
  HNX_TRY(downloader->Select(std::move(selection)));
  return std::string();
}

Result<std::string> Tool::Head(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const CoreKey key, ParseCoreKey(words.at(1)));
  for (const CoreStatistics& core : replicator_->Statistics()) {
    if (core.key == key) {
      return fmt::format("{} {} {}", core.head.length, core.contiguous_length, core.peers.size());
    }
  }
  return NotFound("no such core");
}

Result<std::string> Tool::Sums(const Words& words) {
  HNX_ASSIGN_OR_RETURN(const DriveKey key, DriveKey::Parse(words.at(1)));
  DriveReaderOptions options;
  options.folder = words.at(2);
  options.key = key;
  HNX_ASSIGN_OR_RETURN(const auto reader, DriveReader::Open(options));
  HNX_ASSIGN_OR_RETURN(const auto list, reader->List("/"));
  nlohmann::json sums = nlohmann::json::object();
  for (;;) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      return sums.dump();
    }
    HNX_ASSIGN_OR_RETURN(const Bytes content, reader->ReadFile(entry->path, 1U << 30));
    sums[entry->path] = Fnv1a(content);
  }
}

std::string Tool::Stats() const {
  nlohmann::json cores = nlohmann::json::object();
  for (const CoreStatistics& core : replicator_->Statistics()) {
    cores[core.key.ToHex()] = {{"open", core.open},
                               {"frozen", core.frozen},
                               {"length", core.head.length},
                               {"contiguous", core.contiguous_length},
                               {"peers", core.peers.size()},
                               {"blocksUp", core.traffic.blocks_up},
                               {"bytesUp", core.traffic.bytes_up},
                               {"blocksDown", core.traffic.blocks_down},
                               {"bytesDown", core.traffic.bytes_down},
                               {"refused", core.traffic.refused},
                               {"received", core.download.blocks_received},
                               {"twice", core.download.blocks_twice},
                               {"liars", core.download.liars},
                               {"overtaken", core.download.peers_overtaken},
                               {"dropped", core.download.peers_dropped},
                               {"remoteLengthMax", core.download.remote_length_max}};
  }
  return nlohmann::json({{"streams", replicator_->stream_count()}, {"cores", cores}}).dump();
}

Result<std::string> Tool::Now(const Words& words) {
  const std::string& verb = words.at(0);
  if (verb == "listen") {
    return Listen();
  }
  if (verb == "drive") {
    return Drive(words);
  }
  if (verb == "core") {
    return Core(words);
  }
  if (verb == "accept") {
    return Accept(words);
  }
  if (verb == "refresh") {
    HNX_ASSIGN_OR_RETURN(const CoreKey key, ParseCoreKey(words.at(1)));
    HNX_TRY(replicator_->Refresh(key));
    return std::string();
  }
  if (verb == "replica") {
    return Replica(words);
  }
  if (verb == "select") {
    return Select(words);
  }
  if (verb == "sums") {
    return Sums(words);
  }
  if (verb == "head") {
    return Head(words);
  }
  if (verb == "stats") {
    return Stats();
  }
  if (verb == "drop") {
    const auto streams = streams_;
    for (const auto& [id, open] : streams) {
      replicator_->RemoveStream(id, Error{ErrorCode::kCancelled, "told to"});
    }
    return std::string();
  }
  return InvalidArgument("unknown command " + verb);
}

void Tool::Execute(const Words& words, const std::function<void(Result<std::string>)>& answer) {
  if (words.at(0) == "dial") {
    connectors_.push_back(
        std::make_unique<TcpConnector>(transport_, words.at(1), std::chrono::milliseconds(10'000),
                                       [this, answer](Result<std::unique_ptr<PeerStream>> stream) {
                                         if (!stream) {
                                           answer(stream.error());
                                           return;
                                         }
                                         Take(*std::move(stream));
                                         answer(std::string());
                                       }));
    return;
  }
  if (words.at(0) == "fetch") {
    const Result<CoreKey> key = ParseCoreKey(words.at(1));
    Downloader* const downloader = key ? replicator_->FindDownloader(*key) : nullptr;
    if (downloader == nullptr) {
      answer(NotFound("no replica"));
      return;
    }
    const Result<FetchId> id = downloader->Fetch(
        BlockIndex(std::stoull(words.at(2))), 1, [answer](const Result<Bytes>& block) {
          if (!block) {
            answer(block.error());
            return;
          }
          answer(fmt::format("{} {}", block->size(), Fnv1a(*block)));
        });
    if (!id) {
      answer(id.error());
    }
    return;
  }
  if (words.at(0) == "wait" || words.at(0) == "have") {
    const Result<CoreKey> key = ParseCoreKey(words.at(1));
    if (!key) {
      answer(key.error());
      return;
    }
    const bool blocks = words.at(0) == "have";
    waits_.push_back({*key,
                      blocks ? BlockRange{BlockIndex(std::stoull(words.at(2))),
                                          BlockIndex(std::stoull(words.at(3)))}
                             : BlockRange{},
                      blocks ? 0 : std::stoull(words.at(2)), answer});
    CheckWaits();
    return;
  }
  answer(Now(words));
}

Result<std::string> Tool::Remote(const Words& words) {
  const ReadLimits limits = ReadLimits::Within(std::chrono::seconds(20));
  if (words.at(0) == "remote") {
    HNX_ASSIGN_OR_RETURN(const DriveKey key, DriveKey::Parse(words.at(1)));
    PeerNodeOptions options;
    options.peers = {words.at(3)};
    HNX_ASSIGN_OR_RETURN(remote_node_, PeerNode::Start(std::move(options)));
    RemoteDriveOptions drive;
    drive.folder = words.at(2);
    HNX_ASSIGN_OR_RETURN(remote_, remote_node_->OpenRemote(key, std::move(drive)));
    return std::string();
  }
  if (!remote_) {
    return FailedPrecondition("no drive is open");
  }
  if (words.at(0) == "remote-wait") {
    HNX_TRY(remote_->WaitForVersion(std::stoull(words.at(1)) - 1, limits));
    return std::to_string(remote_->version());
  }
  if (words.at(0) == "remote-received") {
    HNX_ASSIGN_OR_RETURN(const RemoteDriveStatus status, remote_->Status());
    return std::to_string(status.content ? status.content->download.blocks_received : 0);
  }
  HNX_ASSIGN_OR_RETURN(const auto view, remote_->View(limits));
  if (words.at(0) == "remote-list") {
    HNX_ASSIGN_OR_RETURN(const auto list, view->List(words.at(1)));
    nlohmann::json paths = nlohmann::json::array();
    for (;;) {
      HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
      if (!entry) {
        return paths.dump();
      }
      paths.push_back(entry->path);
    }
  }
  HNX_ASSIGN_OR_RETURN(const auto entry, view->Entry(words.at(1)));
  if (!entry || !entry->blob) {
    return NotFound(words.at(1));
  }
  Bytes content;
  HNX_TRY(view->ReadBlob(*entry->blob, std::stoull(words.at(2)), std::stoull(words.at(3)),
                         [&content](ByteView piece) -> Result<void> {
                           AppendTo(content, piece);
                           return {};
                         }));
  return fmt::format("{} {}", content.size(), Fnv1a(content));
}

int Main() {
  SetUpLogging("warning", LogFormat::kText);
  Tool tool;
  std::string line;
  while (std::getline(std::cin, line) && line != "quit") {
    std::istringstream stream(line);
    Words words;
    for (std::string word; stream >> word;) {
      words.push_back(word);
    }
    if (words.empty()) {
      continue;
    }
    if (words[0].rfind("remote", 0) == 0) {
      const Result<std::string> result = tool.Remote(words);
      Say(result ? "ok " + *result : "error " + result.error().ToString());
      continue;
    }
    const auto done = std::make_shared<std::promise<std::string>>();
    tool.loop().Post([&tool, words, done] {
      tool.Execute(words, [done](const Result<std::string>& result) {
        done->set_value(result ? "ok " + *result : "error " + result.error().ToString());
      });
    });
    Say(done->get_future().get());
  }
  return 0;
}

}  // namespace
}  // namespace hnx::hyper

int main() {
  return hnx::hyper::Main();
}
