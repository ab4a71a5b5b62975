// Hyperbee blocks from strangers. What decodes encodes to something that decodes to the same; and a
// tree made of the input's blocks can be read, listed and written to without a crash or a hang.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "hyper/bee/bee_batch.h"
#include "hyper/bee/bee_node.h"
#include "hyper/bee/bee_snapshot.h"
#include "hyper/bee/bee_store.h"

namespace {

using hnx::AsBytes;
using hnx::Bytes;
using hnx::ByteView;
using hnx::Error;
using hnx::ErrorCode;
using hnx::Result;
using hnx::ToBytes;
using hnx::hyper::BeeBatch;
using hnx::hyper::BeeBlocks;
using hnx::hyper::BeeRange;
using hnx::hyper::BeeRangeOptions;
using hnx::hyper::BeeSnapshot;
using hnx::hyper::BeeStore;
using hnx::hyper::DecodeBeeHeader;
using hnx::hyper::DecodeBeeNode;
using hnx::hyper::EncodeBeeHeader;
using hnx::hyper::EncodeBeeNode;

constexpr std::size_t kBlocksMax = 16;

// The input cut into blocks: one byte of length, then so many bytes.
class InputBlocks : public BeeBlocks {
 public:
  explicit InputBlocks(ByteView input) {
    blocks_.push_back(EncodeBeeHeader({}));
    while (!input.empty() && blocks_.size() < kBlocksMax) {
      const auto size =
          std::min<std::size_t>(std::to_integer<std::size_t>(input[0]) + 1, input.size() - 1);
      blocks_.push_back(ToBytes(input.subspan(1, size)));
      input = input.subspan(1 + size);
    }
  }
  Result<Bytes> ReadBlock(std::uint64_t seq) const override {
    if (seq >= blocks_.size()) {
      return Error{ErrorCode::kOutOfRange, "beyond the end"};
    }
    return blocks_[seq];
  }
  std::uint64_t length() const { return blocks_.size(); }

 private:
  std::vector<Bytes> blocks_;
};

void Require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void RoundTrip(ByteView input) {
  if (const auto node = DecodeBeeNode(input)) {
    const auto again = DecodeBeeNode(EncodeBeeNode(*node));
    Require(again.has_value() && *again == *node);
  }
  if (const auto header = DecodeBeeHeader(input)) {
    const auto again = DecodeBeeHeader(EncodeBeeHeader(*header));
    Require(again.has_value() && *again == *header);
  }
}

void UseTree(ByteView input) {
  const InputBlocks blocks(input);
  const BeeStore store(blocks);
  const BeeSnapshot snapshot(store, blocks.length());
  for (const bool reverse : {false, true}) {
    BeeRangeOptions options;
    options.gte = ToBytes("b");
    options.reverse = reverse;
    BeeRange range = snapshot.Range(options);
    std::size_t yielded = 0;
    while (true) {
      const auto entry = range.Next();
      if (!entry || !*entry) {
        break;
      }
      // Keys ascend strictly, so there are no more entries than blocks.
      Require(++yielded <= kBlocksMax);
    }
  }
  BeeBatch batch(store, blocks.length());
  for (const char* key : {"a", "k", "zz"}) {
    (void)snapshot.Get(AsBytes(key));
    if (!batch.Put(AsBytes(key), AsBytes("v")) || !batch.Del(AsBytes(key))) {
      return;
    }
  }
  (void)std::move(batch).Encode();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input = std::as_bytes(std::span(data, size));
  RoundTrip(input);
  UseTree(input);
  return 0;
}
