#include "support/fault_http_server.h"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace hnx::test {
namespace {

constexpr std::size_t kRequestHeadMax = 256 * 1024;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

// Reads one request head into `buffer` (which may hold the beginning of it, and of the next one).
bool ReadHead(int fd, std::string& buffer, std::string& head) {
  while (true) {
    const auto end = buffer.find("\r\n\r\n");
    if (end != std::string::npos) {
      head = buffer.substr(0, end + 2);
      buffer.erase(0, end + 4);
      return true;
    }
    char chunk[4096];
    const auto count = ::recv(fd, chunk, sizeof(chunk), 0);
    if (count <= 0 || buffer.size() > kRequestHeadMax) {
      return false;
    }
    buffer.append(chunk, static_cast<std::size_t>(count));
  }
}

FaultRequest ParseHead(const std::string& head) {
  FaultRequest request;
  const auto first_end = head.find("\r\n");
  const std::string first = head.substr(0, first_end);
  const auto method_end = first.find(' ');
  const auto path_end = first.rfind(' ');
  request.method = first.substr(0, method_end);
  request.path = first.substr(method_end + 1, path_end - method_end - 1);
  for (auto at = first_end + 2; at < head.size();) {
    const auto end = head.find("\r\n", at);
    const std::string line = head.substr(at, end - at);
    const auto colon = line.find(':');
    if (colon != std::string::npos) {
      const auto value = line.find_first_not_of(" \t", colon + 1);
      request.headers.emplace_back(Lower(line.substr(0, colon)),
                                   value == std::string::npos ? "" : line.substr(value));
    }
    at = end + 2;
  }
  return request;
}

std::string Head(int status, const HeaderList& headers) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " Status\r\n";
  for (const auto& [name, value] : headers) {
    head += name + ": " + value + "\r\n";
  }
  return head + "\r\n";
}

struct FileAnswer {
  std::string head;
  std::string body;
};

FileAnswer AnswerFile(const FaultRequest& request, const std::string& body, const std::string& etag,
                      HeaderList headers) {
  headers.emplace_back("ETag", etag);
  headers.emplace_back("Accept-Ranges", "bytes");
  const std::string range = request.Header("range");
  const std::string condition = request.Header("if-range");
  if (range.rfind("bytes=", 0) != 0 || (!condition.empty() && condition != etag)) {
    headers.emplace_back("Content-Length", std::to_string(body.size()));
    return {Head(200, headers), body};
  }
  const std::size_t first = std::stoull(range.substr(6));
  const auto dash = range.find('-');
  std::size_t last = body.size() - 1;
  if (dash + 1 < range.size()) {
    last = std::min<std::size_t>(last, std::stoull(range.substr(dash + 1)));
  }
  if (first >= body.size()) {
    headers.emplace_back("Content-Range", "bytes */" + std::to_string(body.size()));
    headers.emplace_back("Content-Length", "0");
    return {Head(416, headers), ""};
  }
  headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" +
                                            std::to_string(last) + "/" +
                                            std::to_string(body.size()));
  headers.emplace_back("Content-Length", std::to_string(last - first + 1));
  return {Head(206, headers), body.substr(first, last - first + 1)};
}

}  // namespace

std::string FaultRequest::Header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) {
      return value;
    }
  }
  return {};
}

bool FaultConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      closing_ = true;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void FaultConnection::Reset() {
  const linger abrupt{1, 0};
  (void)::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abrupt, sizeof(abrupt));
  closing_ = true;
}

void FaultConnection::WaitForClient() {
  while (Pause(std::chrono::milliseconds(1000))) {
  }
  closing_ = true;
}

bool FaultConnection::Pause(std::chrono::milliseconds time) {
  pollfd watched{fd_, POLLRDHUP, 0};
  return ::poll(&watched, 1, static_cast<int>(time.count())) == 0;
}

FaultHttpServer::FaultHttpServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  static_assert(sizeof(generic) == sizeof(address));
  std::memcpy(&generic, &address, sizeof(address));
  HNX_CHECK(::bind(listener_.get(), &generic, sizeof(generic)) == 0);
  HNX_CHECK(::listen(listener_.get(), 128) == 0);
  socklen_t size = sizeof(generic);
  HNX_CHECK(::getsockname(listener_.get(), &generic, &size) == 0);
  std::memcpy(&address, &generic, sizeof(address));
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FaultHttpServer::~FaultHttpServer() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    for (const int fd : open_) {
      (void)::shutdown(fd, SHUT_RDWR);
    }
  }
  (void)::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

void FaultHttpServer::Serve(const std::string& path, std::vector<FaultHandler> handlers) {
  MutexLock lock(mutex_);
  scripts_[path] = Script{std::move(handlers), 0};
}

void FaultHttpServer::ServeAll(FaultHandler handler) {
  MutexLock lock(mutex_);
  fallback_ = std::move(handler);
}

std::string FaultHttpServer::Url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

int FaultHttpServer::Count(const std::string& path) const {
  return static_cast<int>(Requests(path).size());
}

std::vector<FaultRequest> FaultHttpServer::Requests(const std::string& path) const {
  MutexLock lock(mutex_);
  std::vector<FaultRequest> matching;
  std::copy_if(requests_.begin(), requests_.end(), std::back_inserter(matching),
               [&](const FaultRequest& request) {
                 return request.path.substr(0, request.path.find('?')) == path;
               });
  return matching;
}

void FaultHttpServer::Accept() {
  while (true) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    MutexLock lock(mutex_);
    if (stopping_ || fd < 0) {
      if (fd >= 0) {
        (void)::close(fd);
      }
      return;
    }
    ++connections_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { Converse(fd); });
  }
}

void FaultHttpServer::Converse(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  FaultConnection connection(fd);
  std::string buffer;
  std::string head;
  while (!connection.closing() && ReadHead(fd, buffer, head)) {
    const FaultRequest request = ParseHead(head);
    Take(request)(request, connection);
  }
  MutexLock lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  (void)::close(fd);
}

FaultHandler FaultHttpServer::Take(const FaultRequest& request) {
  MutexLock lock(mutex_);
  requests_.push_back(request);
  const auto found = scripts_.find(request.path.substr(0, request.path.find('?')));
  if (found == scripts_.end() || found->second.handlers.empty()) {
    return fallback_ ? fallback_ : Answer(404, "404");
  }
  Script& script = found->second;
  FaultHandler handler = script.handlers[script.next];
  script.next = std::min(script.next + 1, script.handlers.size() - 1);
  return handler;
}

FaultHandler Answer(int status, std::string body, HeaderList headers) {
  return [status, body = std::move(body), headers = std::move(headers)](
             const FaultRequest& request, FaultConnection& connection) {
    HeaderList all = headers;
    const bool bodiless = status == 204 || status == 304;
    if (!bodiless) {
      all.emplace_back("Content-Length", std::to_string(body.size()));
    }
    connection.Send(Head(status, all) + (request.method == "HEAD" || bodiless ? "" : body));
  };
}

FaultHandler File(std::string body, std::string etag, HeaderList headers) {
  return [body = std::move(body), etag = std::move(etag), headers = std::move(headers)](
             const FaultRequest& request, FaultConnection& connection) {
    const auto answer = AnswerFile(request, body, etag, headers);
    connection.Send(answer.head + (request.method == "HEAD" ? "" : answer.body));
  };
}

FaultHandler Truncated(std::string body, std::size_t sent, std::string etag) {
  return [body = std::move(body), sent, etag = std::move(etag)](const FaultRequest& request,
                                                                FaultConnection& connection) {
    const auto answer = AnswerFile(request, body, etag, {});
    connection.Send(answer.head + answer.body.substr(0, sent));
    connection.Close();
  };
}

FaultHandler ResetAfter(std::string body, std::size_t sent, std::string etag) {
  return [body = std::move(body), sent, etag = std::move(etag)](const FaultRequest& request,
                                                                FaultConnection& connection) {
    const auto answer = AnswerFile(request, body, etag, {});
    connection.Send(answer.head + answer.body.substr(0, sent));
    connection.Reset();
  };
}

FaultHandler Raw(std::string bytes) {
  return [bytes = std::move(bytes)](const FaultRequest& /*request*/, FaultConnection& connection) {
    connection.Send(bytes);
    connection.Close();
  };
}

FaultHandler Stall(std::string bytes) {
  return [bytes = std::move(bytes)](const FaultRequest& /*request*/, FaultConnection& connection) {
    connection.Send(bytes);
    connection.WaitForClient();
  };
}

}  // namespace hnx::test
