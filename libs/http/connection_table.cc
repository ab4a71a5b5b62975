#include "http/connection_table.h"

#include <cstring>

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

namespace hnx::http {
namespace {

constexpr std::size_t kIpv6NetworkBytes = 8;  // a /64 is one customer's

std::string Text(const void* bytes, std::size_t size) {
  std::string text(size, '\0');
  std::memcpy(text.data(), bytes, size);
  return text;
}

// What connections from there are counted under. Empty: this machine, or no internet address.
std::string CountedAs(const sockaddr& from) {
  in_addr ipv4{};
  if (from.sa_family == AF_INET) {
    sockaddr_in whole{};
    std::memcpy(&whole, &from, sizeof(whole));
    ipv4 = whole.sin_addr;
  } else if (from.sa_family == AF_INET6) {
    sockaddr_in6 whole{};
    std::memcpy(&whole, &from, sizeof(whole));
    const in6_addr& ipv6 = whole.sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&ipv6)) {
      return IN6_IS_ADDR_LOOPBACK(&ipv6) ? std::string() : Text(&ipv6, kIpv6NetworkBytes);
    }
    std::memcpy(&ipv4, &ipv6.s6_addr[12], sizeof(ipv4));
  } else {
    return {};
  }
  const bool loopback = (ntohl(ipv4.s_addr) >> IN_CLASSA_NSHIFT) == IN_LOOPBACKNET;
  return loopback ? std::string() : Text(&ipv4, sizeof(ipv4));
}

// A request has come that was not looked at yet.
bool HasUnread(int socket) {
  int unread = 0;
  return ::ioctl(socket, FIONREAD, &unread) == 0 && unread > 0;
}

// Of what was sent: whether some has not arrived, and how much has, ever.
struct Sending {
  bool pending = false;
  std::uint64_t acknowledged_bytes = 0;
};

Sending SendingOf(int socket) {
  Sending sending;
  int pending = 0;
  sending.pending = ::ioctl(socket, SIOCOUTQ, &pending) == 0 && pending > 0;
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
    sending.acknowledged_bytes = info.tcpi_bytes_acked;
  }
  return sending;
}

}  // namespace

bool ConnectionTable::Admits(const sockaddr& from) {
  const std::string address = CountedAs(from);
  if (address.empty() || limits_.per_address_max == 0) {
    return true;
  }
  MutexLock lock(mutex_);
  const auto found = per_address_.find(address);
  const bool admitted = found == per_address_.end() || found->second < limits_.per_address_max;
  counts_.per_address += admitted ? 0 : 1;
  return admitted;
}

void ConnectionTable::Add(const MHD_Connection* connection, int socket, const sockaddr& from,
                          Clock::SteadyTime now) {
  Entry entry;
  entry.connection = connection;
  entry.socket = socket;
  entry.address = CountedAs(from);
  entry.since = now;
  MutexLock lock(mutex_);
  if (!entry.address.empty()) {
    ++per_address_[entry.address];
  }
  waiting_.push_back(std::move(entry));
  places_[connection] = {&waiting_, std::prev(waiting_.end())};
  MakeRoom();
}

void ConnectionTable::MakeRoom() {
  constexpr int kLookedAtMax = 16;
  while (waiting_.size() + answering_.size() > limits_.connections_max && !waiting_.empty()) {
    auto longest = waiting_.begin();
    auto candidate = longest;
    for (int i = 0; i < kLookedAtMax && candidate != waiting_.end(); ++i, ++candidate) {
      if (!HasUnread(candidate->socket)) {
        longest = candidate;
        break;
      }
    }
    End(*longest, counts_.full);
  }
}

void ConnectionTable::OnRequest(const MHD_Connection* connection, Clock::SteadyTime now) {
  MutexLock lock(mutex_);
  Move(connection, answering_, now);
}

void ConnectionTable::OnAnswered(const MHD_Connection* connection, Clock::SteadyTime now) {
  MutexLock lock(mutex_);
  Move(connection, waiting_, now);
}

void ConnectionTable::Move(const MHD_Connection* connection, Entries& to, Clock::SteadyTime now) {
  const auto found = places_.find(connection);
  if (found == places_.end() || found->second.list == &going_) {
    return;
  }
  Place& place = found->second;
  to.splice(to.end(), *place.list, place.entry);
  place.list = &to;
  place.entry->since = now;
}

void ConnectionTable::Remove(const MHD_Connection* connection) {
  MutexLock lock(mutex_);
  const auto found = places_.find(connection);
  if (found == places_.end()) {
    return;
  }
  const Place place = found->second;
  const auto address = per_address_.find(place.entry->address);
  if (address != per_address_.end() && --address->second == 0) {
    per_address_.erase(address);
  }
  place.list->erase(place.entry);
  places_.erase(found);
}

void ConnectionTable::End(Entry& entry, std::uint64_t& count) {
  ++count;
  (void)::shutdown(entry.socket, SHUT_RDWR);
  Place& place = places_.at(entry.connection);
  going_.splice(going_.end(), *place.list, place.entry);
  place.list = &going_;
}

void ConnectionTable::EndLate(Clock::SteadyTime now) {
  MutexLock lock(mutex_);
  while (limits_.wait_max.count() > 0 && !waiting_.empty() &&
         now - waiting_.front().since >= limits_.wait_max) {
    End(waiting_.front(), counts_.slow_request);
  }
  EndSlowReaders(now);
}

void ConnectionTable::EndSlowReaders(Clock::SteadyTime now) {
  while (limits_.answer_window.count() > 0 && !answering_.empty() &&
         now - answering_.front().since >= limits_.answer_window) {
    Entry& entry = answering_.front();
    const Sending sending = SendingOf(entry.socket);
    // Nothing is pending: it is the server that looks for more.
    if (sending.pending &&
        sending.acknowledged_bytes - entry.acknowledged_bytes < limits_.answer_bytes_min) {
      End(entry, counts_.slow_reader);
      continue;
    }
    entry.acknowledged_bytes = sending.acknowledged_bytes;
    entry.since = now;
    answering_.splice(answering_.end(), answering_, answering_.begin());
  }
}

std::size_t ConnectionTable::size() const {
  MutexLock lock(mutex_);
  return waiting_.size() + answering_.size();
}

std::size_t ConnectionTable::open() const {
  MutexLock lock(mutex_);
  return places_.size();
}

ConnectionCounts ConnectionTable::counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

}  // namespace hnx::http
