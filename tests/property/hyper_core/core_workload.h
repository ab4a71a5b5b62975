// A run of a core's writer whose every step is one promise: before it the core is in one state,
// after it in another, and a crash in between leaves one of the two.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "hyper/core/hypercore.h"
#include "hyper/storage/memory_core_storage.h"
#include "hyper/storage/recording_core_storage.h"

namespace hnx::hyper {

// What a core promises to hold.
struct CoreState {
  CoreHead head;
  std::vector<std::optional<Bytes>> blocks;  // none = cleared
  std::vector<UserDataItem> user_data;
};

// What is wrong with the opened core, or nothing.
std::optional<std::string> Differs(Hypercore& core, const CoreState& state);

struct WorkloadStep {
  std::string name;
  std::size_t changes_before = 0;  // of the journal, when it began
  std::size_t changes_after = 0;   // when it was acknowledged
  CoreState state;                 // after it
};

class CoreWorkload {
 public:
  CoreWorkload();

  // The core's key pair is the same in every workload.
  static NewCore TheCore();

  // Steps of every kind in an order that makes each follow each dangerous other.
  void RunScript();
  void RunRandom(std::mt19937_64& random, int steps);

  const ChangeJournal& journal() const { return *journal_; }
  const std::vector<WorkloadStep>& steps() const { return steps_; }

 private:
  template <class Action>
  void Step(std::string name, Action action);
  std::unique_ptr<CoreStorage> OpenStorage();

  void Create();
  void Reopen();
  void Append(int blocks, std::size_t bytes_each);
  // Streams each of these many bytes, commits them together; aborts one more in between.
  void CommitStaged(const std::vector<std::size_t>& sizes, bool abort_one);
  void StageAndDrop(std::size_t bytes);
  void Clear(std::uint64_t begin, std::uint64_t end);
  void Cut(std::uint64_t length);
  void Flush();
  void SetUserData(const std::string& value);

  Bytes Block(std::size_t bytes);

  std::shared_ptr<MemoryCoreFiles> files_ = std::make_shared<MemoryCoreFiles>();
  std::shared_ptr<ChangeJournal> journal_ = std::make_shared<ChangeJournal>();
  std::unique_ptr<Hypercore> core_;
  CoreState state_;
  std::vector<WorkloadStep> steps_;
  std::uint8_t next_fill_ = 1;
};

}  // namespace hnx::hyper
