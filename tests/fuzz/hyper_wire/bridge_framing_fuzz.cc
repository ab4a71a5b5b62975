// A bridge that says anything. Whatever the bytes and however they are portioned: no crash, no
// memory beyond what came, and the same messages for every portioning. The first byte is the
// portion.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "hyper/transport/bridge_framing.h"

namespace hnx::hyper {
namespace {

class Keeper final : public SecretStreamHandler {
 public:
  Result<void> OnReady() override {
    ++ready;
    return {};
  }
  Result<void> OnMessage(ByteView message) override {
    HNX_CHECK(ready == 1 && !message.empty());
    messages.push_back(ToBytes(message));
    return {};
  }

  int ready = 0;
  std::vector<Bytes> messages;
};

struct Outcome {
  bool taken = true;
  std::string name;
  Keeper keeper;
};

Outcome Take(Bytes bytes, std::size_t portion) {
  constexpr std::size_t kMessageMax = 1 << 16;
  BridgeFraming framing(kMessageMax);
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size() && outcome.taken; at += portion) {
    const std::span<std::byte> rest = std::span(bytes).subspan(at);
    outcome.taken =
        framing.Receive(rest.first(std::min(portion, rest.size())), outcome.keeper).has_value();
    HNX_CHECK(framing.held_bytes() <= (128 << 10) + 2 * bytes.size());
  }
  outcome.name = framing.remote_name();
  return outcome;
}

}  // namespace
}  // namespace hnx::hyper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const hnx::Bytes input = hnx::ToBytes(std::as_bytes(std::span(data, size)).subspan(1));
  const hnx::hyper::Outcome whole = hnx::hyper::Take(input, input.size() + 1);
  const hnx::hyper::Outcome portioned = hnx::hyper::Take(input, std::size_t{data[0]} + 1);
  HNX_CHECK(whole.taken == portioned.taken && whole.name == portioned.name &&
            whole.keeper.ready == portioned.keeper.ready &&
            whole.keeper.messages == portioned.keeper.messages);
  return 0;
}
