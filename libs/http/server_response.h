// What a ServerResponse is for libmicrohttpd. Internal to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "http/body_pipe.h"
#include "http/http_message.h"
#include "http/http_server.h"
#include "http/parked_connections.h"

struct MHD_Connection;
struct MHD_Response;

namespace hnx::http {

struct ResponseDeleter {
  void operator()(MHD_Response* response) const;
};
// Empty: out of memory.
using ResponseHandle = std::unique_ptr<MHD_Response, ResponseDeleter>;

// The reader's side of a streamed body.
struct BodyReader {
  std::shared_ptr<BodyPipe> pipe;
  std::shared_ptr<ParkedConnections> parked;
  MHD_Connection* connection = nullptr;
};

ResponseHandle TextHandle(std::string body);
ResponseHandle FileHandle(FileRegion region);
// `reader` lives as long as the response; then its pipe is abandoned.
ResponseHandle StreamHandle(std::uint64_t length, std::unique_ptr<BodyReader> reader);
void AddHeaders(MHD_Response* response, const std::vector<HttpHeader>& headers);

}  // namespace hnx::http
