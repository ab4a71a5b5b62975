// BudgetRig: a small mirror of the channel "c", with one worker and the index, on which a budget is
// tried.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {

struct BudgetRig {
  explicit BudgetRig(FakeUpstream paths);

  // Submits a release and has it settled.
  coordinator::ReleaseId Release(const std::string& name, const std::vector<int>& paths);
  // Until nothing moves any more, retirement too. After each step the bytes are looked at;
  // FakeIndex checks after each batch that the index is closed.
  void Settle();
  // As if paths had been asked for long enough ago.
  void ChooseAgain();
  void SetDay(int day);
  void Keep(int releases);
  // Numbers of the paths whose narinfo the index has, and of those whose file the worker has.
  std::string Published() const;
  std::string Stored() const;
  std::string Manifest(const std::string& release) const;
  int ManifestRevision(const std::string& release);
  FakeUpstream upstream;
  StoreRig rig{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker{rig, 1, upstream};
  FakeIndex index{rig, upstream};
  double max_missing = 1;
  std::uint64_t most_bytes = 0;  // that were on the worker's disk at once
};

}  // namespace hnx::test
