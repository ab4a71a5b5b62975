// ConnectionTable: a server's open connections, and which of them have to go, so that neither many
// clients nor slow ones keep the others out. libmicrohttpd's timeout counts from the last byte: one
// byte a minute would hold a connection for ever, and at its limit nobody new gets in.
//
// A connection waits (for the whole head of its next request) or answers. One that goes is shut
// down; libmicrohttpd notices, and closes it.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <unordered_map>

#include <sys/socket.h>

#include "base/clock.h"
#include "base/mutex.h"

struct MHD_Connection;

namespace hnx::http {

struct ConnectionLimits {
  // Beyond: of those of which nothing came the one that has waited longest goes; the newcomer when
  // none waits.
  std::size_t connections_max = 10'000;
  // From one address (of IPv6: one /64), further ones are refused; 0: no limit. Those of this
  // machine are not counted: there proxies are.
  std::size_t per_address_max = 0;
  // From the end of an answer to the whole head of the next request; 0: no limit.
  std::chrono::milliseconds wait_max{75'000};
  // A client that takes less than so many bytes of its answer in answer_window, while there are
  // some for it to take, is cut off; a window of 0: none is.
  std::uint64_t answer_bytes_min = std::uint64_t{64} << 10;
  std::chrono::milliseconds answer_window{75'000};
};

// Connections that went, by the reason.
struct ConnectionCounts {
  std::uint64_t full = 0;         // to make room
  std::uint64_t per_address = 0;  // too many from one address
  std::uint64_t slow_request = 0;
  std::uint64_t slow_reader = 0;
};

class ConnectionTable {
 public:
  explicit ConnectionTable(const ConnectionLimits& limits) : limits_(limits) {}

  // False: too many from there.
  bool Admits(const sockaddr& from) HNX_EXCLUDES(mutex_);
  // `socket` stays open until Remove has returned.
  void Add(const MHD_Connection* connection, int socket, const sockaddr& from,
           Clock::SteadyTime now) HNX_EXCLUDES(mutex_);
  // The head of a request is there.
  void OnRequest(const MHD_Connection* connection, Clock::SteadyTime now) HNX_EXCLUDES(mutex_);
  // Its answer was sent, or will not be.
  void OnAnswered(const MHD_Connection* connection, Clock::SteadyTime now) HNX_EXCLUDES(mutex_);
  void Remove(const MHD_Connection* connection) HNX_EXCLUDES(mutex_);
  // Those that are beyond their time at `now` go. To be called again and again.
  void EndLate(Clock::SteadyTime now) HNX_EXCLUDES(mutex_);

  // That wait or answer.
  std::size_t size() const HNX_EXCLUDES(mutex_);
  // With those that are going.
  std::size_t open() const HNX_EXCLUDES(mutex_);
  ConnectionCounts counts() const HNX_EXCLUDES(mutex_);

 private:
  struct Entry {
    const MHD_Connection* connection = nullptr;
    int socket = -1;
    std::string address;      // empty: not counted
    Clock::SteadyTime since;  // waits since then; answers: when it was last looked at
    std::uint64_t acknowledged_bytes = 0;
  };
  using Entries = std::list<Entry>;
  struct Place {
    Entries* list = nullptr;
    Entries::iterator entry;
  };

  void Move(const MHD_Connection* connection, Entries& to, Clock::SteadyTime now)
      HNX_REQUIRES(mutex_);
  void End(Entry& entry, std::uint64_t& count) HNX_REQUIRES(mutex_);
  void MakeRoom() HNX_REQUIRES(mutex_);
  void EndSlowReaders(Clock::SteadyTime now) HNX_REQUIRES(mutex_);

  const ConnectionLimits limits_;
  mutable Mutex mutex_;
  // Each in the order of `since`. What goes is in neither any more.
  Entries waiting_ HNX_GUARDED_BY(mutex_);
  Entries answering_ HNX_GUARDED_BY(mutex_);
  Entries going_ HNX_GUARDED_BY(mutex_);
  std::unordered_map<const MHD_Connection*, Place> places_ HNX_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> per_address_ HNX_GUARDED_BY(mutex_);
  ConnectionCounts counts_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::http
