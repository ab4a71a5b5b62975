// Sends bytes to a server exactly as given: hostile requests that no HTTP library would make.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"

namespace hnx::gateway {

struct RawAnswer {
  int status = 0;    // 0: the connection was closed without one
  std::string head;  // with its status line
  std::string body;
  // Empty when absent; any case.
  std::string Header(std::string_view name) const;
};

class RawClient {
 public:
  explicit RawClient(int port);
  // False when the server has closed.
  bool Send(std::string_view bytes);
  // Reads one answer, by its Content-Length; `has_body` is false for HEAD, 204 and 304.
  RawAnswer Receive(bool has_body = true);
  RawAnswer Ask(std::string_view bytes, bool has_body = true) {
    Send(bytes);
    return Receive(has_body);
  }
  // What has come of the next answer, head first, once it is `size_min` bytes or the server has
  // closed. Receive gives it again.
  std::string ReceiveSome(std::size_t size_min);
  // True when the server closes within the given time.
  bool ClosedWithin(int milliseconds);

 private:
  bool Fill();

  UniqueFd fd_;
  std::string buffer_;
};

// "GET <path> HTTP/1.1" with a Host and the header lines given ("Name: value\r\n" each).
std::string Request(std::string_view path, std::string_view headers = {},
                    std::string_view method = "GET");

}  // namespace hnx::gateway
