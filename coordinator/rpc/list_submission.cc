#include "coordinator/rpc/list_submission.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/hex.h"

namespace hnx::coordinator {
namespace {

// Hexadecimal digits of the list's hash in its name.
constexpr std::size_t kNameDigits = 16;

// Where the pending roots go is known only once the submission stands.
nix::StorePathsList::OnPath Collect(std::vector<PathName>& pending, nix::Sha256& sha256) {
  return [&pending, &sha256](const nix::StorePath& path) -> Result<void> {
    sha256.Update(AsBytes(path.base_name()));
    sha256.Update(AsBytes("\n"));
    pending.push_back({.hash = std::string(path.hash_part()), .name = std::string(path.name())});
    return {};
  };
}

}  // namespace

Result<ListSubmission> ListSubmission::Begin(PgReleaseStore& store, const NewRelease& submission,
                                             const Caller& caller) {
  HNX_ASSIGN_OR_RETURN(const Submitted submitted, store.Submit(submission));
  return ListSubmission(store, submission, submitted.release, caller);
}

ListSubmission::ListSubmission(PgReleaseStore& store, const NewRelease& submission,
                               ReleaseId release, Caller caller)
    : store_(&store),
      submission_(submission),
      release_(release),
      caller_(std::move(caller)),
      roots_(std::make_unique<Roots>()),
      list_(Collect(roots_->pending, roots_->sha256)) {}

Result<void> ListSubmission::Feed(std::string_view text) {
  // In pieces, so that what one message carries is not all pending at once.
  constexpr std::size_t kPiece = std::size_t{256} << 10;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kPiece);
    text.remove_prefix(piece.size());
    HNX_TRY(list_.Feed(AsBytes(piece)));
    if (roots_->pending.size() >= kWalkBatchMax / 2) {
      HNX_TRY(Flush());
    }
  }
  return {};
}

Result<void> ListSubmission::Flush() {
  while (!roots_->pending.empty()) {
    const std::size_t count = std::min(roots_->pending.size(), kWalkBatchMax);
    HNX_TRY(store_->AddListRoots(release_, std::span(roots_->pending).first(count)));
    roots_->pending.erase(roots_->pending.begin(),
                          roots_->pending.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return {};
}

Result<Submitted> ListSubmission::Finish() {
  auto summary = list_.Finish();
  if (!summary.has_value()) {
    return summary.error();
  }
  HNX_TRY(Flush());
  const nix::Sha256Digest digest = roots_->sha256.Finish();
  return store_->NameList(release_, EncodeHex(digest).substr(0, kNameDigits), submission_, caller_);
}

void ListSubmission::Abandon() {
  (void)store_->DropRelease(release_);  // otherwise the leader does it later
}

}  // namespace hnx::coordinator
