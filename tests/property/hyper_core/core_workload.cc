#include "tests/property/hyper_core/core_workload.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "hyper/core/keys.h"

namespace hnx::hyper {
namespace {

// The workload itself runs on a storage that does not fail.
template <class T>
T Must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
void Must(const Result<void>& result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
}

}  // namespace

std::optional<std::string> Differs(Hypercore& core, const CoreState& state) {
  if (core.head() != state.head) {
    return "head of length " + std::to_string(core.length()) + " instead of " +
           std::to_string(state.head.length);
  }
  if (core.user_data() != state.user_data) {
    return "other user data";
  }
  for (std::uint64_t i = 0; i < state.blocks.size(); ++i) {
    const Result<Bytes> block = core.Get(BlockIndex(i));
    const std::optional<Bytes>& expected = state.blocks[i];
    if (!expected) {
      if (block || block.error().code != ErrorCode::kNotFound) {
        return "block " + std::to_string(i) + " is not cleared";
      }
    } else if (!block) {
      return "block " + std::to_string(i) + ": " + block.error().ToString();
    } else if (*block != *expected) {
      return "block " + std::to_string(i) + " has other bytes";
    }
  }
  return std::nullopt;
}

CoreWorkload::CoreWorkload() {
  Create();
}

NewCore CoreWorkload::TheCore() {
  std::array<std::byte, 32> primary_key;
  primary_key.fill(std::byte{7});
  KeyPair pair = DeriveKeyPair(primary_key, kRootStoreNamespace, "db");
  Manifest manifest = Manifest::SingleSigner(pair.public_key);
  return {std::move(manifest), std::move(pair), {{std::string(kUserDataName), ToBytes("db")}}};
}

template <class Action>
void CoreWorkload::Step(std::string name, Action action) {
  const std::size_t before = journal_->size();
  action();
  state_.head = core_->head();
  steps_.push_back({std::move(name), before, journal_->size(), state_});
}

std::unique_ptr<CoreStorage> CoreWorkload::OpenStorage() {
  return std::make_unique<RecordingCoreStorage>(std::make_unique<MemoryCoreStorage>(files_),
                                                journal_);
}

void CoreWorkload::Create() {
  Step("create", [&] {
    core_ = Must(Hypercore::Create(OpenStorage(), TheCore()));
    state_.user_data = core_->user_data();
  });
}

void CoreWorkload::Reopen() {
  Step("reopen", [&] {
    core_.reset();
    core_ = Must(Hypercore::Open(OpenStorage()));
  });
}

Bytes CoreWorkload::Block(std::size_t bytes) {
  Bytes block(bytes, std::byte{next_fill_});
  next_fill_ = next_fill_ == 255 ? 1 : static_cast<std::uint8_t>(next_fill_ + 1);
  return block;
}

void CoreWorkload::Append(int blocks, std::size_t bytes_each) {
  Step("append", [&] {
    std::vector<Bytes> owned;
    for (int i = 0; i < blocks; ++i) {
      owned.push_back(Block(bytes_each));
      state_.blocks.emplace_back(owned.back());
    }
    const std::vector<ByteView> views(owned.begin(), owned.end());
    Must(core_->Append(views));
  });
}

void CoreWorkload::CommitStaged(const std::vector<std::size_t>& sizes, bool abort_one) {
  Step("commit staged", [&] {
    for (const std::size_t size : sizes) {
      if (abort_one) {
        StagedAppend refused = Must(core_->Stage());
        Must(refused.Write(Block(size + 10)));
        Must(refused.Abort());
      }
      StagedAppend staged = Must(core_->Stage());
      const Bytes bytes = Block(size);
      Must(staged.Write(ByteView(bytes).first(size / 3)));
      Must(staged.Write(ByteView(bytes).subspan(size / 3)));
      Must(staged.Finish());
      for (std::size_t at = 0; at < size; at += kStagedBlockBytes) {
        const std::size_t length = std::min(kStagedBlockBytes, size - at);
        state_.blocks.emplace_back(ToBytes(ByteView(bytes).subspan(at, length)));
      }
    }
    Must(core_->Commit());
  });
}

void CoreWorkload::StageAndDrop(std::size_t bytes) {
  Step("stage and drop", [&] {
    StagedAppend staged = Must(core_->Stage());
    Must(staged.Write(Block(bytes)));
    Must(staged.Finish());
    Must(core_->DropStaged());
  });
}

void CoreWorkload::Clear(std::uint64_t begin, std::uint64_t end) {
  Step("clear", [&] {
    Must(core_->Clear({BlockIndex(begin), BlockIndex(end)}));
    std::fill(state_.blocks.begin() + static_cast<std::ptrdiff_t>(begin),
              state_.blocks.begin() + static_cast<std::ptrdiff_t>(end), std::nullopt);
  });
}

void CoreWorkload::Cut(std::uint64_t length) {
  Step("cut tail", [&] {
    Must(core_->CutUnannouncedTail(length));
    state_.blocks.resize(length);
  });
}

void CoreWorkload::Flush() {
  Step("flush", [&] { Must(core_->Flush()); });
}

void CoreWorkload::SetUserData(const std::string& value) {
  Step("set user data", [&] {
    Must(core_->SetUserData("note", AsBytes(value)));
    state_.user_data = core_->user_data();
  });
}

void CoreWorkload::RunScript() {
  Append(1, 100);
  Append(3, 700);
  Reopen();  // everything is in the oplog
  Flush();
  Reopen();  // nothing is
  CommitStaged({5000, 300}, true);
  StageAndDrop(2000);
  Append(2, 0);  // empty blocks
  Clear(1, 3);
  Append(1, 1500);
  Flush();
  Flush();  // nothing to flush: a second header of the same tree
  Cut(7);
  Append(2, 900);  // another tail at a length that there was before
  Reopen();
  Cut(5);
  Flush();
  Append(4, 200);
  Clear(0, 2);
  Clear(4, 6);
  Reopen();
  SetUserData("first");
  CommitStaged({kStagedBlockBytes + 900}, false);
  Flush();
  SetUserData("");
  Cut(8);
  Clear(3, 8);
  Append(5, 60);
  Flush();
  Append(3, 60);
  Cut(0);
  Append(2, 2000);
  Flush();
  Clear(0, 1);
  Flush();  // the drop is no longer in the oplog: the hole must be there to stay
  Reopen();
}

void CoreWorkload::RunRandom(std::mt19937_64& random, int steps) {
  const auto below = [&](std::uint64_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (int i = 0; i < steps; ++i) {
    const std::uint64_t length = core_->length();
    switch (below(10)) {
      case 0:
        Reopen();
        break;
      case 1:
        Flush();
        break;
      case 2: {
        const std::uint64_t begin = below(length);
        Clear(begin, begin + below(length - begin + 1));
        break;
      }
      case 3:
        Cut(length - below(std::min<std::uint64_t>(length, 6) + 1));
        break;
      case 4:
        StageAndDrop(below(3000));
        break;
      case 5:
        CommitStaged({1 + below(2000), 1 + below(2000)}, below(2) == 0);
        break;
      case 6:
        SetUserData(std::to_string(below(3)));
        break;
      default:
        Append(static_cast<int>(1 + below(4)), below(1500));
        break;
    }
  }
}

}  // namespace hnx::hyper
