#include "raw_client.h"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "http/http_message.h"

namespace hnx::gateway {

std::string RawAnswer::Header(std::string_view name) const {
  http::HttpHeaders headers;
  for (std::size_t at = 0; at < head.size();) {
    const auto end = head.find("\r\n", at);
    headers.AppendLine(head.substr(at, end - at));
    at = end == std::string::npos ? head.size() : end + 2;
  }
  return std::string(headers.Get(name).value_or(""));
}

RawClient::RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  static_assert(sizeof(generic) == sizeof(address));
  std::memcpy(&generic, &address, sizeof(address));
  HNX_CHECK(::connect(fd_.get(), &generic, sizeof(generic)) == 0);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::Fill() {
  char chunk[65536];
  const auto count = ::recv(fd_.get(), chunk, sizeof(chunk), 0);
  if (count <= 0) {
    return false;
  }
  buffer_.append(chunk, static_cast<std::size_t>(count));
  return true;
}

RawAnswer RawClient::Receive(bool has_body) {
  RawAnswer answer;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) {
      return answer;
    }
  }
  answer.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  answer.status = std::stoi(answer.head.substr(answer.head.find(' ') + 1));
  const auto length = answer.Header("Content-Length");
  const std::size_t size = has_body && !length.empty() ? std::stoull(length) : 0;
  while (buffer_.size() < size && Fill()) {
  }
  answer.body = buffer_.substr(0, size);
  buffer_.erase(0, answer.body.size());
  return answer;
}

std::string RawClient::ReceiveSome(std::size_t size_min) {
  while (buffer_.size() < size_min && Fill()) {
  }
  return buffer_;
}

bool RawClient::ClosedWithin(int milliseconds) {
  pollfd watched{fd_.get(), POLLIN, 0};
  char byte = 0;
  return ::poll(&watched, 1, milliseconds) == 1 && ::recv(fd_.get(), &byte, 1, 0) <= 0;
}

std::string Request(std::string_view path, std::string_view headers, std::string_view method) {
  return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" +
         std::string(headers) + "\r\n";
}

}  // namespace hnx::gateway
