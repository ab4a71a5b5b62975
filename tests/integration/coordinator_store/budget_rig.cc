#include "budget_rig.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "coordinator/store/pg_channel_store.h"

namespace hnx::test {
namespace {

std::string Numbers(std::size_t count, const auto& has) {
  std::string numbers;
  for (std::size_t path = 0; path < count; ++path) {
    if (has(static_cast<int>(path))) {
      numbers += fmt::format("{}{}", numbers.empty() ? "" : " ", path);
    }
  }
  return numbers;
}

}  // namespace

BudgetRig::BudgetRig(FakeUpstream paths) : upstream(std::move(paths)) {}

coordinator::ReleaseId BudgetRig::Release(const std::string& name, const std::vector<int>& paths) {
  const auto release = rig.SubmitRoots(upstream, paths, "c", name);
  Sql(rig.uri,
      fmt::format("UPDATE release SET max_missing = {} WHERE id = {}", max_missing, release));
  Settle();
  EXPECT_EQ(rig.View(release).state, "settled") << name;
  return release;
}

void BudgetRig::Settle() {
  constexpr int kRounds = 40;
  constexpr int kRetireSteps = 8;
  constexpr int kQuietRounds = 3;
  std::string before;
  for (int round = 0, quiet = 0; round < kRounds && quiet < kQuietRounds; ++round) {
    rig.Background();
    ASSERT_TRUE(worker.Call().has_value());
    worker.Work(100);
    most_bytes = std::max(most_bytes, worker.bytes_on_disk());
    index.Step();
    for (int step = 0; step < kRetireSteps && Must(rig.retirer->Step()); ++step) {
    }
    const std::string now =
        fmt::format("{} {} {}", index.batch, worker.head.db_length, worker.cleared().size());
    quiet = now == before ? quiet + 1 : 0;
    before = now;
  }
}

void BudgetRig::ChooseAgain() {
  Sql(rig.uri, "UPDATE budget SET begun_at = '-infinity'");
  rig.Choose();
}

void BudgetRig::SetDay(int day) {
  Sql(rig.uri,
      fmt::format("CREATE OR REPLACE FUNCTION retirement_now() RETURNS timestamptz LANGUAGE sql "
                  "STABLE AS $$SELECT now() + interval '{} days'$$",
                  day));
}

void BudgetRig::Keep(int releases) {
  coordinator::PgChannelStore channels(*rig.pool, *rig.leader, {});
  ASSERT_TRUE(channels.SetRetention("c", releases, 0).has_value());
}

std::string BudgetRig::Published() const {
  return Numbers(upstream.size(), [&](int path) { return index.Publishes(path); });
}

std::string BudgetRig::Stored() const {
  return Numbers(upstream.size(), [&](int path) { return worker.files().contains(FileOf(path)); });
}

std::string BudgetRig::Manifest(const std::string& release) const {
  return index.File("/channels/c/" + release + "/manifest.json");
}

int BudgetRig::ManifestRevision(const std::string& release) {
  return nlohmann::json::parse(Manifest(release)).at("manifestRevision").get<int>();
}

}  // namespace hnx::test
