// FollowStore: what ChannelFollower keeps in the database. PgChannelStore is the one there is; the
// follower's folder knows nothing of PostgreSQL.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"

namespace hnx::coordinator {

struct ChannelToPoll {
  std::string name;
  std::string etag;      // of the last answer; empty: none
  std::string seen_url;  // where it pointed then; empty: never seen
  int failures = 0;      // in a row
  std::chrono::milliseconds interval{0};
};

struct ChannelSight {
  // Where it points; empty: the server says that nothing has changed.
  std::string url;
  std::string name;
  std::string etag;
};

class FollowStore {
 public:
  virtual ~FollowStore() = default;

  // The one that is due first; nullopt: none is, or this replica does not lead.
  virtual Result<std::optional<ChannelToPoll>> NextChannelToPoll() = 0;
  // Notes what was seen and has it submitted when it is time to; the time until the channel should
  // be looked at again before its interval is over, if any.
  virtual Result<std::optional<std::chrono::milliseconds>> Saw(const std::string& channel,
                                                               const ChannelSight& sight) = 0;
  virtual Result<void> Failed(const std::string& channel, const std::string& why) = 0;
  virtual Result<void> PollAgainIn(const std::string& channel, std::chrono::milliseconds time) = 0;
};

}  // namespace hnx::coordinator
