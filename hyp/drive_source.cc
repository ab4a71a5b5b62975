#include "hyp/drive_source.h"

#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <unistd.h>

#include "base/log.h"
#include "hyp/far_mirror.h"
#include "hyp/local_mirror.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

// DATA/drives, or a folder of this process when another one has that.
Result<FarMirror::Place> PlaceIn(const fs::path& data) {
  HNX_TRY(MakeFolders(data));
  auto lock = FolderLock::Take(data, "drives", "another hyp uses it");
  if (lock) {
    fs::path folder = lock->folder();
    return FarMirror::Place{std::move(folder), *std::move(lock), false};
  }
  if (lock.error().code != ErrorCode::kFailedPrecondition) {
    return lock.error();
  }
  Log("hyp")->info("{}; what is fetched now is not kept", lock.error().message);
  std::string name = data / "once-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return Errno("create folder", name);
  }
  return FarMirror::Place{name, std::nullopt, true};
}

}  // namespace

void DriveSource::AddTo(CLI::App& command) {
  folders.AddTo(command);
  peers.AddTo(command);
}

Result<std::unique_ptr<OpenedMirror>> DriveSource::Open(const hyper::DriveKey& key,
                                                        const Wish& wish) const {
  const auto local = folders.Find(key);
  if (local && wish.keep_for_good) {
    return InvalidArgument(fmt::format(
        "the drive is in {} already; --store keeps what comes from peers", local->string()));
  }
  if (local) {
    HNX_ASSIGN_OR_RETURN(std::shared_ptr<mirror::MirrorReader> reader, folders.Open(key));
    return std::unique_ptr<OpenedMirror>(std::make_unique<LocalMirror>(std::move(reader)));
  }
  if (peers.wants_nobody()) {
    return NotFound(local.error().message + ", or a peer that has it with --peer HOST:PORT");
  }
  if (wish.keep_in && wish.keep_for_good) {
    HNX_TRY(MakeFolders(*wish.keep_in));
    HNX_ASSIGN_OR_RETURN(auto lock, FolderLock::Take(*wish.keep_in, "drives",
                                                     "another hyp uses it; stop that one first"));
    fs::path folder = lock.folder();
    return FarMirror::Open(key, peers, {std::move(folder), std::move(lock), false, true},
                           wish.cancellation);
  }
  if (wish.keep_in) {
    const fs::path folder = *wish.keep_in / "drives";
    HNX_TRY(MakeFolders(folder));
    return FarMirror::Open(key, peers, {folder, std::nullopt, false}, wish.cancellation);
  }
  HNX_ASSIGN_OR_RETURN(const fs::path data, peers.DataFolder());
  HNX_ASSIGN_OR_RETURN(FarMirror::Place place, PlaceIn(data));
  return FarMirror::Open(key, peers, std::move(place), wish.cancellation);
}

}  // namespace hnx::hyp
