// FakeIndex, of store_rig.h.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "store_rig.h"

namespace hnx::test {

using namespace coordinator;  // NOLINT(google-build-using-namespace): the tests' subject

FakeIndex::FakeIndex(StoreRig& rig, const FakeUpstream& upstream)
    : key(Digest("index")),
      worker_id(fmt::format("{:032x}", 0xfff)),
      rig_(&rig),
      upstream_(upstream) {}

WorkerReport FakeIndex::Report() {
  IndexStanding now = standing;
  now.known_db_length = std::max(now.known_db_length, announced_.db_length);
  now.known_content_length = std::max(now.known_content_length, announced_.content_length);
  if (base_ && base_->ShorterThan(announced_)) {
    now.published = published;
  }
  return {.worker_id = worker_id,
          .worker_name = "index",
          .incarnation = incarnation_,
          .nonce = 5,
          .sequence = ++sequence_,
          .indexes = true,
          .draining = draining,
          .jobs = {},
          .drives = {{.key = key,
                      .content_key = Digest("index content"),
                      .head = head,
                      .base = base_,
                      .entries = {},
                      .is_index = true,
                      .publish_batch = batch,
                      .publish_plan = batch == 0 ? 0 : plan_,
                      .index = std::move(now)}},
          .version = "1"};
}

void FakeIndex::Step(bool lose_answer) {
  const DesiredState desired = Must(rig_->synchronizer->Synchronize(Report()));
  if (lose_answer) {
    return;
  }
  ASSERT_EQ(desired.drives.size(), 1U) << "the index is refused";
  const DriveHead& recorded = desired.drives[0].recorded;
  if (moved_ && recorded.ShorterThan(announced_)) {
    ASSERT_FALSE(desired.publish || desired.drives[0].cut_tail)
        << "peers have seen length " << announced_.db_length;
    base_ = recorded;
    return;
  }
  ASSERT_FALSE(recorded.ShorterThan(announced_) && !volume_was_lost_)
      << "peers have seen length " << announced_.db_length << " of the index, it was to go back to "
      << recorded.db_length;
  announced_ = recorded;
  base_ = recorded;
  if (desired.drives[0].cut_tail) {
    CutTo(recorded);
  }
  if (desired.publish) {
    CutTo(desired.publish->base);
    Apply(desired.publish->batch);
    plan_ = desired.publish->plan;
  }
}

void FakeIndex::PublishAll() {
  constexpr int kSteps = 12;
  for (int i = 0; i < kSteps; ++i) {
    Step();
    rig_->Background();
  }
}

void FakeIndex::Restart() {
  ++incarnation_;
  sequence_ = 0;
  base_.reset();
  batch = 0;
}

void FakeIndex::RestoreVolume(std::size_t batches) {
  volume_was_lost_ = true;
  CutTo(versions_.at(batches).head);
  Restart();
}

void FakeIndex::MoveTo(StoreRig& rig) {
  rig_ = &rig;
  moved_ = true;
  Restart();
}

void FakeIndex::CutTo(const DriveHead& base) {
  while (versions_.size() > 1 && !versions_.back().head.SameAs(base)) {
    versions_.pop_back();
    batch = 0;
  }
  ASSERT_TRUE(versions_.back().head.SameAs(base)) << "the drive never had this head";
  head = versions_.back().head;
  files_ = versions_.back().files;
  links_ = versions_.back().links;
}

void FakeIndex::Apply(std::uint64_t number) {
  if (!moved_) {
    ASSERT_EQ(number, versions_.size()) << "batches are numbered without a hole";
  }
  std::string everything;
  std::string open;
  Must(rig_->publisher->ReadBatch(
      static_cast<std::int64_t>(number), [&](PublishStep step) -> Result<void> {
        const std::string data(AsText(step.data));
        everything += step.path + step.linkname + step.metadata + data + "\n";
        switch (step.kind) {
          case PublishStep::Kind::kPut:
            open = step.path;
            files_[open] = data;
            break;
          case PublishStep::Kind::kMore:
            files_[open] += data;
            break;
          case PublishStep::Kind::kLink:
            EXPECT_FALSE(links_.contains(step.path) && links_[step.path] == step.linkname &&
                         !moved_)
                << step.path << " is linked twice";
            links_[step.path] = step.linkname;
            break;
          case PublishStep::Kind::kRemove:
            files_.erase(step.path);
            links_.erase(step.path);
            break;
        }
        return {};
      }));
  head = Grow(head, everything, everything.size());
  batch = number;
  versions_.push_back({head, files_, links_});
  CheckClosure();
}

bool FakeIndex::Publishes(int path) const {
  return files_.contains("/" + HashOf(path) + ".narinfo");
}

void FakeIndex::CheckClosure() const {
  for (std::size_t path = 0; path < upstream_.size(); ++path) {
    const int number = static_cast<int>(path);
    if (!Publishes(number)) {
      continue;
    }
    EXPECT_EQ(files_.at("/" + HashOf(number) + ".narinfo"), ContentOf(upstream_, number));
    EXPECT_TRUE(links_.contains("/nar/" + FileOf(NarOf(upstream_, number))))
        << "narinfo " << path << " without its NAR after batch " << batch;
    for (const int reference : upstream_[path].references) {
      EXPECT_TRUE(Publishes(reference)) << "after batch " << batch << ", " << path
                                        << " is published without its reference " << reference;
    }
  }
}

std::string FakeIndex::File(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? std::string() : found->second;
}

}  // namespace hnx::test
