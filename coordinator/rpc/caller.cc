#include "coordinator/rpc/caller.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

constexpr std::size_t kWhoMax = 255;

// Goes into the database and to terminals; brackets are ours.
bool IsOdd(unsigned char c) {
  return c < ' ' || c > '~' || c == '(' || c == ')';
}

}  // namespace

Caller ReadCaller(const grpc::CallbackServerContext& context, const access::Identity& identity) {
  Caller caller{.who = {}, .peer = context.peer()};
  const auto& metadata = context.client_metadata();
  if (const auto user = metadata.find(kUserMetadata); user != metadata.end()) {
    caller.who.assign(user->second.data(), std::min(user->second.size(), kWhoMax));
    std::replace_if(caller.who.begin(), caller.who.end(), IsOdd, '?');
  }
  if (!identity.name.empty()) {
    caller.who = caller.who.empty() ? identity.name : identity.name + " (" + caller.who + ")";
  }
  return caller;
}

}  // namespace hnx::coordinator
