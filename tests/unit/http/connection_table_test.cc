// Which connections go, and which stay.
#include "http/connection_table.h"

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "base/file.h"

// The table knows its pointers only.
struct MHD_Connection {};

namespace hnx::http {
namespace {

using std::chrono::seconds;

sockaddr Ipv4(const char* text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  EXPECT_EQ(::inet_pton(AF_INET, text, &address.sin_addr), 1) << text;
  sockaddr generic{};
  static_assert(sizeof(generic) == sizeof(address));
  std::memcpy(&generic, &address, sizeof(address));
  return generic;
}

// A connection over TCP, as the table asks TCP how it fares.
class Connection {
 public:
  Connection() {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr address = Ipv4("127.0.0.1");
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener.get(), &address, size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), &address, &size), 0);
    client_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client_.get(), &address, size), 0);
    server_ = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(server_.valid());
  }
  const MHD_Connection* id() const { return &id_; }
  int socket() const { return server_.get(); }
  // The server's side was told to go.
  bool Ended() const {
    pollfd watched{server_.get(), POLLIN | POLLRDHUP, 0};
    return ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLHUP | POLLRDHUP)) != 0;
  }
  // Sends until nothing more is taken. Returns how much was.
  std::size_t Fill() const {
    const std::array<char, 65'536> bytes{};
    std::size_t sent = 0;
    for (;;) {
      const auto taken =
          ::send(server_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (taken <= 0) {
        return sent;
      }
      sent += static_cast<std::size_t>(taken);
    }
  }
  void Ask() const { EXPECT_EQ(::send(client_.get(), "GET", 3, MSG_NOSIGNAL), 3); }
  void Take(std::size_t bytes) const {
    std::array<char, 65'536> piece{};
    while (bytes > 0) {
      const auto taken = ::recv(client_.get(), piece.data(), std::min(bytes, piece.size()), 0);
      ASSERT_GT(taken, 0);
      bytes -= static_cast<std::size_t>(taken);
    }
  }

 private:
  MHD_Connection id_;
  UniqueFd client_;
  UniqueFd server_;
};

class ConnectionTableTest : public testing::Test {
 protected:
  ConnectionTableTest() { limits_.connections_max = 3; }
  void Make() { table_ = std::make_unique<ConnectionTable>(limits_); }
  void Add(const Connection& connection, const char* from = "192.0.2.1") {
    table_->Add(connection.id(), connection.socket(), Ipv4(from), now_);
  }
  void Pass(seconds time) {
    now_ += time;
    table_->EndLate(now_);
  }

  ConnectionLimits limits_;
  std::unique_ptr<ConnectionTable> table_;
  Clock::SteadyTime now_{seconds(1'000)};
};

TEST_F(ConnectionTableTest, MakesRoomByTheOneThatHasWaitedLongest) {
  Make();
  std::array<Connection, 4> all;
  for (const Connection& one : all) {
    Add(one);
  }
  EXPECT_TRUE(all[0].Ended());
  EXPECT_FALSE(all[1].Ended());
  EXPECT_FALSE(all[3].Ended());
  EXPECT_EQ(table_->counts().full, 1U);
  EXPECT_EQ(table_->size(), 3U);
}

TEST_F(ConnectionTableTest, WhoHasJustAskedStays) {
  Make();
  std::array<Connection, 4> all;
  all[0].Ask();
  for (const Connection& one : all) {
    Add(one);
  }
  EXPECT_FALSE(all[0].Ended());
  EXPECT_TRUE(all[1].Ended());
}

TEST_F(ConnectionTableTest, WhoIsBeingAnsweredStays) {
  Make();
  std::array<Connection, 5> all;
  for (int i = 0; i < 3; ++i) {
    Add(all.at(static_cast<std::size_t>(i)));
  }
  table_->OnRequest(all[0].id(), now_);
  Add(all[3]);
  EXPECT_FALSE(all[0].Ended());
  EXPECT_TRUE(all[1].Ended());
  table_->OnAnswered(all[0].id(), now_);  // waits since now: others have waited longer
  Add(all[4]);
  EXPECT_FALSE(all[0].Ended());
  EXPECT_TRUE(all[2].Ended());
}

TEST_F(ConnectionTableTest, ANewcomerGoesWhenAllAreBeingAnswered) {
  Make();
  std::array<Connection, 4> all;
  for (int i = 0; i < 3; ++i) {
    Add(all.at(static_cast<std::size_t>(i)));
    table_->OnRequest(all.at(static_cast<std::size_t>(i)).id(), now_);
  }
  Add(all[3]);
  EXPECT_TRUE(all[3].Ended());
  EXPECT_FALSE(all[0].Ended() || all[1].Ended() || all[2].Ended());
}

TEST_F(ConnectionTableTest, ARequestThatIsNotWholeInTimeEndsItsConnection) {
  Make();
  const Connection slow;
  const Connection quick;
  Add(slow);
  Add(quick);
  Pass(seconds(74));
  EXPECT_FALSE(slow.Ended());
  table_->OnRequest(quick.id(), now_);
  table_->OnAnswered(quick.id(), now_);
  Pass(seconds(1));
  EXPECT_TRUE(slow.Ended());
  EXPECT_FALSE(quick.Ended());
  EXPECT_EQ(table_->counts().slow_request, 1U);
}

TEST_F(ConnectionTableTest, AClientThatTakesNothingOfItsAnswerIsCutOff) {
  Make();
  const Connection stuck;
  const Connection reading;
  const Connection waiting;  // for us: nothing was sent yet
  for (const Connection* one : {&stuck, &reading, &waiting}) {
    Add(*one);
    table_->OnRequest(one->id(), now_);
  }
  ASSERT_GT(stuck.Fill(), 0U);
  std::size_t left = reading.Fill();
  for (int window = 0; window < 4; ++window) {
    const std::size_t part = left / 2;
    reading.Take(part);
    left -= part;
    left += reading.Fill();
    Pass(seconds(75));
  }
  EXPECT_TRUE(stuck.Ended());
  EXPECT_FALSE(reading.Ended());
  EXPECT_FALSE(waiting.Ended());
  EXPECT_EQ(table_->counts().slow_reader, 1U);
}

TEST_F(ConnectionTableTest, OneAddressHasSoManyAtOnce) {
  limits_.connections_max = 100;
  limits_.per_address_max = 2;
  Make();
  std::array<Connection, 4> all;
  Add(all[0]);
  EXPECT_TRUE(table_->Admits(Ipv4("192.0.2.1")));
  Add(all[1]);
  EXPECT_FALSE(table_->Admits(Ipv4("192.0.2.1")));
  EXPECT_TRUE(table_->Admits(Ipv4("192.0.2.2")));
  EXPECT_EQ(table_->counts().per_address, 1U);
  table_->Remove(all[0].id());
  EXPECT_TRUE(table_->Admits(Ipv4("192.0.2.1")));
}

TEST_F(ConnectionTableTest, ThisMachineIsNotCounted) {
  limits_.connections_max = 100;
  limits_.per_address_max = 1;
  Make();
  std::array<Connection, 2> all;
  Add(all[0], "127.0.0.1");
  Add(all[1], "127.0.0.1");
  EXPECT_TRUE(table_->Admits(Ipv4("127.0.0.1")));
}

TEST_F(ConnectionTableTest, WhatIsNotKnownOrGoesAlreadyIsLeftAlone) {
  Make();
  std::array<Connection, 4> all;
  const Connection unknown;
  for (const Connection& one : all) {
    Add(one);
  }
  ASSERT_TRUE(all[0].Ended());
  table_->OnRequest(all[0].id(), now_);
  table_->OnAnswered(all[0].id(), now_);
  table_->OnRequest(unknown.id(), now_);
  table_->Remove(unknown.id());
  EXPECT_EQ(table_->size(), 3U);
  table_->Remove(all[0].id());
  EXPECT_EQ(table_->size(), 3U);
}

}  // namespace
}  // namespace hnx::http
