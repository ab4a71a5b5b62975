// A store-paths list is taken or refused as a whole, however it is cut, and delivers valid paths.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "nix/reject_reason.h"
#include "nix/store_paths_list.h"

namespace {

struct Outcome {
  bool accepted = false;
  std::vector<std::string> paths;
};

Outcome Read(hnx::ByteView input, std::size_t chunk) {
  Outcome outcome;
  hnx::nix::StorePathsList list([&](const hnx::nix::StorePath& path) {
    HNX_CHECK(hnx::nix::StorePath::Parse(path.ToString()).value() == path);
    outcome.paths.push_back(path.ToString());
    return hnx::Result<void>{};
  });
  while (!input.empty()) {
    const std::size_t taken = std::min(chunk, input.size());
    const auto fed = list.Feed(input.first(taken));
    if (!fed.has_value()) {
      HNX_CHECK(hnx::nix::ReasonOf(fed.error()).has_value());
      return outcome;
    }
    input = input.subspan(taken);
  }
  const auto summary = list.Finish();
  outcome.accepted = summary.has_value();
  HNX_CHECK(!outcome.accepted || summary->paths == outcome.paths.size());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hnx::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  const Outcome whole = Read(input, std::max<std::size_t>(size, 1));
  const Outcome bytes = Read(input, 1);
  HNX_CHECK(whole.accepted == bytes.accepted);
  HNX_CHECK(whole.paths == bytes.paths);
  return 0;
}
