#include "hyper/replication/block_hashing.h"

#include <utility>

#include "hyper/core/merkle_tree.h"

namespace hnx::hyper {

BlockHashing::BlockHashing(RunBeside run_beside, OnHashed on_hashed)
    : run_beside_(std::move(run_beside)),
      state_(std::make_shared<State>(State{std::move(on_hashed), 0})) {}

bool BlockHashing::Take(const DataMessage& data) {
  const std::size_t bytes = data.proof.block ? data.proof.block->value.view().size() : 0;
  if (!run_beside_ || bytes < kHashedBesideBytesMin ||
      state_->bytes_waiting + bytes > kHashedBesideBytesMax) {
    return false;
  }
  struct Answer {
    DataMessage data;
    Hash leaf_hash;
  };
  const auto answer = std::make_shared<Answer>(Answer{data, {}});
  answer->data.proof.block->value = BlockValue(ToBytes(data.proof.block->value.view()));
  state_->bytes_waiting += bytes;
  run_beside_([answer] { answer->leaf_hash = LeafHash(answer->data.proof.block->value.view()); },
              [answer, bytes, weak = std::weak_ptr<State>(state_)] {
                if (const std::shared_ptr<State> state = weak.lock()) {
                  state->bytes_waiting -= bytes;
                  state->on_hashed(answer->data, answer->leaf_hash);
                }
              });
  return true;
}

}  // namespace hnx::hyper
