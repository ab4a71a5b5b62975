// FaultHttpServer: an HTTP/1.1 server on plain sockets that misbehaves on request: bodies that end
// early, heads that never end, resets, stalls, wrong ranges. It listens on a free port of
// 127.0.0.1. A handler writes raw bytes, so it can send anything.
//
//   FaultHttpServer server;
//   server.Serve("/nar/a.nar", {Truncated(body, 100), File(body)});   // first broken, then whole
//   client.Fetch({.url = server.Url("/nar/a.nar")});
//   EXPECT_EQ(server.Count("/nar/a.nar"), 2);
//
// One thread a connection; handlers run on them. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"

namespace hnx::test {

struct FaultRequest {
  std::string method;
  std::string path;                                          // with its query
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case

  // Empty when absent.
  std::string Header(std::string_view lower_case_name) const;
};

// The server's side of one connection. All methods are harmless after the client went away.
class FaultConnection {
 public:
  explicit FaultConnection(int fd) : fd_(fd) {}
  // False when the client no longer reads.
  bool Send(std::string_view bytes);
  // Closes in good order after the handler returned.
  void Close() { closing_ = true; }
  // Sends RST instead of FIN.
  void Reset();
  // Returns when the client closed its side or the server stops.
  void WaitForClient();
  // Waits, but not longer than until the client leaves; true when all the time passed.
  bool Pause(std::chrono::milliseconds time);

  bool closing() const { return closing_; }

 private:
  const int fd_;
  bool closing_ = false;
};

using FaultHandler = std::function<void(const FaultRequest&, FaultConnection&)>;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

class FaultHttpServer {
 public:
  FaultHttpServer();
  ~FaultHttpServer();
  FaultHttpServer(const FaultHttpServer&) = delete;
  FaultHttpServer& operator=(const FaultHttpServer&) = delete;

  // The first request for `path` (without its query) gets the first handler and so on; the last one
  // stays. Paths without handlers are 404.
  void Serve(const std::string& path, std::vector<FaultHandler> handlers);
  // For every path that has no handlers of its own.
  void ServeAll(FaultHandler handler);

  std::string Url(std::string_view path) const;  // http://127.0.0.1:<port><path>
  int port() const { return port_; }

  int Count(const std::string& path) const;
  std::vector<FaultRequest> Requests(const std::string& path) const;
  int connections() const { return connections_; }

 private:
  void Accept();
  void Converse(int fd);
  FaultHandler Take(const FaultRequest& request);

  struct Script {
    std::vector<FaultHandler> handlers;
    std::size_t next = 0;
  };

  UniqueFd listener_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  mutable Mutex mutex_;
  bool stopping_ HNX_GUARDED_BY(mutex_) = false;
  std::map<std::string, Script> scripts_ HNX_GUARDED_BY(mutex_);
  FaultHandler fallback_ HNX_GUARDED_BY(mutex_);
  std::vector<FaultRequest> requests_ HNX_GUARDED_BY(mutex_);
  std::vector<int> open_ HNX_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ HNX_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

// Ready-made handlers.

// A correct answer with Content-Length; HEAD gets no body.
FaultHandler Answer(int status, std::string body, HeaderList headers = {});
// A correct file server: 200, or 206 to a single range when If-Range agrees with the ETag; 416.
FaultHandler File(std::string body, std::string etag = "\"v1\"", HeaderList headers = {});
// As File, but the connection is closed after `sent` body bytes of this answer.
FaultHandler Truncated(std::string body, std::size_t sent, std::string etag = "\"v1\"");
// As Truncated, with a reset.
FaultHandler ResetAfter(std::string body, std::size_t sent, std::string etag = "\"v1\"");
// These bytes, then close.
FaultHandler Raw(std::string bytes);
// These bytes, then silence until the client leaves.
FaultHandler Stall(std::string bytes);

}  // namespace hnx::test
