#include "coordinator/rpc/caller.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

constexpr std::size_t kWhoMax = 255;

}  // namespace

Caller CallerOf(const grpc::CallbackServerContext& context) {
  Caller caller{.who = {}, .peer = context.peer()};
  const auto& metadata = context.client_metadata();
  if (const auto user = metadata.find(kUserMetadata); user != metadata.end()) {
    caller.who.assign(user->second.data(), std::min(user->second.size(), kWhoMax));
    // Goes into the database and to terminals.
    std::replace_if(
        caller.who.begin(), caller.who.end(), [](unsigned char c) { return c < ' ' || c > '~'; },
        '?');
  }
  return caller;
}

}  // namespace hnx::coordinator
