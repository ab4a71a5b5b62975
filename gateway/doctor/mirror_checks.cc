#include "gateway/doctor/mirror_checks.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "hyper/node/peer_node.h"
#include "mirror/mirror_reader.h"
#include "mirror/remote_mirror.h"
#include "swarm/swarm_bridge.h"

namespace hnx::gateway {
namespace {

namespace fs = std::filesystem;

// Named in one finding.
constexpr std::size_t kShardsNamedMax = 3;

// True: all can be listed.
bool CanRead(cli::Checkup& checkup, const std::vector<std::string>& folders) {
  bool all = true;
  for (const std::string& folder : folders) {
    std::error_code error;
    const fs::directory_iterator listed(folder, error);
    if (error) {
      checkup.Fault("drives", fmt::format("{}: {}", folder, error.message()),
                    fmt::format("correct --drives, or let user {} read that folder", ::geteuid()));
      all = false;
    }
  }
  return all;
}

// `json`: null, or empty, before anything is published.
void TellIndex(cli::Checkup& checkup, const std::string& where, std::uint64_t version,
               const mirror::MirrorJson* json) {
  if (json == nullptr || json->shards.empty()) {
    checkup.Warn("index", fmt::format("{}: nothing is published in it yet", where),
                 "nothing, if the mirror is new: see `coordinator status`");
    return;
  }
  checkup.Ok("index",
             fmt::format("{}: version {}, with {} shards", where, version, json->shards.size()));
  if (json->successor) {
    checkup.Warn("successor", fmt::format("the mirror has moved to {}", json->successor->id()),
                 fmt::format("serve hyper://{} instead", json->successor->id()));
  }
}

void CheckShards(cli::Checkup& checkup, const mirror::MirrorReader& reader,
                 const std::vector<mirror::MirrorShard>& shards) {
  std::vector<std::string> missing;
  for (const mirror::MirrorShard& listed : shards) {
    const auto shard = reader.shard(listed.key);
    if (!shard.has_value()) {
      checkup.Fault("shards", fmt::format("shard {}: {}", listed.key.id(), shard.error().message),
                    "see `hyp verify`, and whether the worker that has it may be read");
    } else if (*shard == nullptr) {
      missing.push_back(listed.key.id());
    }
  }
  if (missing.empty()) {
    return;
  }
  const std::size_t count = missing.size();
  missing.resize(std::min(count, kShardsNamedMax));
  checkup.Warn("shards",
               fmt::format("{} of {} shards are in none of the folders: {}{}", count, shards.size(),
                           fmt::join(missing, ", "), count > missing.size() ? ", ..." : ""),
               "clients are told that their NARs are not here: add --drives of the workers that "
               "have them, or read the mirror from peers (--mirror)");
}

// Removed with all in it.
class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> Make() {
    std::error_code error;
    std::string path = (fs::temp_directory_path(error) / "hnx-doctor-XXXXXX").string();
    if (error || ::mkdtemp(path.data()) == nullptr) {
      return Unavailable("no folder can be made for temporary files: see $TMPDIR");
    }
    return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(path)));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ScratchFolder(ScratchFolder&&) = delete;
  ScratchFolder& operator=(ScratchFolder&&) = delete;

  const fs::path& path() const { return path_; }

 private:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) {}

  const fs::path path_;
};

struct Answer {
  bool connected = false;
  hyper::SwarmState swarm;
  // What is wrong with the index there; nothing: it is there.
  std::optional<Error> trouble;
  std::uint64_t version = 0;
  std::optional<mirror::MirrorJson> json;
};

// Of whoever `options` lead to.
Result<Answer> AskForIndex(hyper::PeerNodeOptions options, const hyper::DriveKey& index,
                           std::chrono::milliseconds patience) {
  HNX_ASSIGN_OR_RETURN(const auto folder, ScratchFolder::Make());
  HNX_ASSIGN_OR_RETURN(const auto node, hyper::PeerNode::Start(std::move(options)));
  mirror::RemoteMirrorOptions remote{.index_key = index, .cache = folder->path()};
  remote.announce = false;
  HNX_ASSIGN_OR_RETURN(const auto mirror, mirror::RemoteMirror::Open(*node, std::move(remote)));
  const auto limits = hyper::ReadLimits::Within(patience);
  Answer answer;
  auto head = mirror->index().WaitForFreshHead(limits);
  if (head.has_value()) {
    const auto view = mirror->View(limits);
    if (view.has_value()) {
      answer.version = (*view)->index_version();
      if (const auto json = (*view)->mirror_json()) {
        answer.json = *json;
      }
    } else {
      answer.trouble = view.error();
    }
  } else {
    answer.trouble = head.error();
  }
  HNX_ASSIGN_OR_RETURN(const auto statistics, node->Statistics());
  answer.connected = statistics.streams > 0;
  answer.swarm = statistics.swarm;
  node->Stop();
  return answer;
}

// The newest version that somebody gave.
struct Newest {
  std::uint64_t version = 0;
  std::optional<mirror::MirrorJson> json;
  void See(const Answer& answer) {
    if (!answer.trouble && answer.version >= version) {
      version = answer.version;
      json = answer.json;
    }
  }
};

Result<Answer> AskPeer(const std::string& peer, const hyper::DriveKey& index,
                       std::chrono::milliseconds patience) {
  hyper::PeerNodeOptions options;
  options.peers = {peer};
  return AskForIndex(std::move(options), index, patience);
}

// `others`: somebody else gave the index.
void TellPeer(cli::Checkup& checkup, const std::string& peer, const Result<Answer>& answer,
              const hyper::DriveKey& index, bool others) {
  if (!answer.has_value()) {
    checkup.Fault("peer", fmt::format("{}: {}", peer, answer.error().message),
                  "correct --peer: HOST:PORT");
  } else if (!answer->trouble) {
    checkup.Ok("peer", fmt::format("{} has the index up to version {}", peer, answer->version));
  } else if (!answer->connected) {
    const std::string what = fmt::format("{} does not answer", peer);
    const std::string remedy =
        "see firewalls, and whether a worker with --listen-peers, `hyp seed` or a gateway with "
        "--listen-peers runs there";
    if (others) {
      checkup.Warn("peer", what, remedy);
    } else {
      checkup.Fault("peer", what, remedy);
    }
  } else if (others) {
    checkup.Ok("peer", fmt::format("{} answers; the index is not there", peer));
  } else {
    checkup.Fault("peer",
                  fmt::format("{} answers, but gives no index of mirror {}", peer, index.id()),
                  "see whether the key is the one that `coordinator status` prints, whether that "
                  "peer serves this mirror, and whether anything is published in it");
  }
}

void CheckSwarm(cli::Checkup& checkup, const swarm::SwarmOptions& swarm,
                const hyper::DriveKey& index, std::chrono::milliseconds patience, Newest& newest) {
  if (swarm.swarm != "on" && swarm.swarm != "auto") {
    std::error_code ignored;
    const fs::path folder = fs::absolute(swarm.swarm, ignored).parent_path();
    if (fs::is_directory(folder, ignored)) {
      checkup.Ok("swarm", fmt::format("bridges are let in at {}", swarm.swarm));
    } else {
      checkup.Fault("swarm", fmt::format("{} is no folder", folder.string()),
                    "make it, or correct --swarm");
    }
    return;
  }
  std::error_code ignored;
  if (!swarm.program.empty() && !fs::exists(swarm.program, ignored)) {
    checkup.Fault("swarm", fmt::format("{} is not there", swarm.program),
                  "correct --swarm-program, or leave it out");
    return;
  }
  const auto bridge = swarm::SwarmBridge::Start(swarm);
  if (!bridge.has_value()) {
    checkup.Fault("swarm", bridge.error().message,
                  "install Node.js and the bridge, or name peers with --peer and give --swarm off");
    return;
  }
  hyper::PeerNodeOptions options;
  options.swarm_socket = (*bridge)->socket();
  const auto answer = AskForIndex(std::move(options), index, patience);
  if (!answer.has_value()) {
    checkup.Fault("swarm", answer.error().message, "see --swarm and --swarm-program");
    return;
  }
  newest.See(*answer);
  if (!answer->trouble) {
    checkup.Ok("swarm", fmt::format("somebody in the swarm has the index up to version {}",
                                    answer->version));
  } else if (answer->swarm.bridges == 0) {
    checkup.Fault(
        "swarm", "the bridge does not come up, see its lines above",
        "install Node.js 18 or later and what the bridge needs (swarm/README.md), or name "
        "peers with --peer and give --swarm off");
  } else {
    checkup.Fault("swarm",
                  fmt::format("nobody in the swarm gives the index of mirror {} ({} peers known)",
                              index.id(), answer->swarm.peers_known),
                  "let UDP to the internet through, correct --swarm-bootstrap, see whether the key "
                  "is right and the mirror in the swarm, or name one of its peers with --peer");
  }
}

}  // namespace

void CheckFolders(cli::Checkup& checkup, const GatewayOptions& options,
                  const hyper::DriveKey& index) {
  if (!CanRead(checkup, options.drives)) {
    return;
  }
  const auto reader = mirror::MirrorReader::Open(
      {.directory = options.drives.front(),
       .index_key = index,
       .further_directories = {options.drives.begin() + 1, options.drives.end()}});
  if (!reader.has_value()) {
    if (reader.error().code == ErrorCode::kNotFound) {
      checkup.Fault("index",
                    fmt::format("the index drive, {}, is not in {}", index.id(),
                                fmt::join(options.drives, " or ")),
                    "name the folder that has a folder of that name in it with --drives (below a "
                    "worker's --data it is drives/), or correct --index");
    } else {
      checkup.Fault("index", reader.error().message,
                    "see `hyp verify`, and whether this user may read all of it");
    }
    return;
  }
  const auto json = (*reader)->mirror_json();
  TellIndex(checkup, "the index is here", (*reader)->index_version(), json.get());
  if (json != nullptr) {
    CheckShards(checkup, **reader, json->shards);
  }
}

void CheckPeers(cli::Checkup& checkup, const GatewayOptions& options, const FarChoice& choice,
                std::chrono::milliseconds patience) {
  Newest newest;
  std::vector<Result<Answer>> answers;
  for (const std::string& peer : options.peers) {
    answers.push_back(AskPeer(peer, choice.key, patience));
    if (answers.back().has_value()) {
      newest.See(*answers.back());
    }
  }
  if (choice.swarm) {
    CheckSwarm(checkup, options.swarm, choice.key, patience, newest);
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    TellPeer(checkup, options.peers[i], answers[i], choice.key, newest.version > 0);
  }
  if (newest.version > 0) {
    TellIndex(checkup, "the newest that peers have", newest.version,
              newest.json ? &*newest.json : nullptr);
  }
}

}  // namespace hnx::gateway
