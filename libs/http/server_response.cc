#include "http/server_response.h"

#include <span>
#include <utility>

#include <microhttpd.h>
#include <sys/socket.h>

#include "base/check.h"
#include "http/copied_region.h"

namespace hnx::http {
namespace {

void FreeString(void* text) {
  delete static_cast<std::string*>(text);
}

// With MHD_USE_TURBO a connection that is closed because its body broke keeps its socket open until
// the next event on it, which may be its timeout.
void HangUp(MHD_Connection* connection) {
  const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info != nullptr) {
    (void)::shutdown(info->connect_fd, SHUT_RDWR);
  }
}

ssize_t ReadBody(void* closure, std::uint64_t /*position*/, char* out, std::size_t size) {
  auto& reader = *static_cast<BodyReader*>(closure);
  bool stopping = false;
  const auto taken = reader.pipe->Read(
      std::as_writable_bytes(std::span(out, size)),
      [&reader, &stopping] { stopping = !reader.parked->Park(reader.connection); });
  switch (taken.state) {
    case BodyPipe::State::kBytes:
      return static_cast<ssize_t>(taken.size);
    case BodyPipe::State::kNothingYet:
      return stopping ? static_cast<ssize_t>(MHD_CONTENT_READER_END_WITH_ERROR) : 0;
    case BodyPipe::State::kEnd:
    case BodyPipe::State::kBroken:
      break;
  }
  // Asked for more than was written.
  HangUp(reader.connection);
  return static_cast<ssize_t>(MHD_CONTENT_READER_END_WITH_ERROR);
}

void FreeBodyReader(void* closure) {
  const std::unique_ptr<BodyReader> reader(static_cast<BodyReader*>(closure));
  reader->pipe->Abandon();
}

}  // namespace

void ResponseDeleter::operator()(MHD_Response* response) const {
  ::MHD_destroy_response(response);
}

ResponseHandle TextHandle(std::string body) {
  if (body.empty()) {
    return ResponseHandle(::MHD_create_response_from_buffer(0, nullptr, MHD_RESPMEM_PERSISTENT));
  }
  auto owner = std::make_unique<std::string>(std::move(body));
  ResponseHandle handle(::MHD_create_response_from_buffer_with_free_callback_cls(
      owner->size(), owner->data(), &FreeString, owner.get()));
  if (handle != nullptr) {
    (void)owner.release();  // FreeString deletes it
  }
  return handle;
}

ResponseHandle FileHandle(FileRegion region) {
  if (region.length == 0) {
    return TextHandle({});
  }
  if (region.may_be_punched) {
    return ResponseHandle(CopyRegion(std::move(region)));
  }
  // Takes the descriptor, and closes it with the response.
  ResponseHandle handle(
      ::MHD_create_response_from_fd_at_offset64(region.length, region.fd.get(), region.offset));
  if (handle != nullptr) {
    (void)region.fd.Release();
  }
  return handle;
}

void AddHeaders(MHD_Response* response, const std::vector<HttpHeader>& headers) {
  for (const auto& header : headers) {
    // Refuses only names and values that would break the head: our own, so a bug.
    HNX_CHECK(::MHD_add_response_header(response, header.name.c_str(), header.value.c_str()) ==
              MHD_YES);
  }
}

ResponseHandle StreamHandle(std::uint64_t length, std::unique_ptr<BodyReader> reader) {
  constexpr std::size_t kPieceBytes = 64 * 1024;
  ResponseHandle handle(::MHD_create_response_from_callback(length, kPieceBytes, &ReadBody,
                                                            reader.get(), &FreeBodyReader));
  if (handle == nullptr) {
    reader->pipe->Abandon();
  } else {
    (void)reader.release();  // FreeBodyReader deletes it
  }
  return handle;
}

std::uint64_t ServerResponse::body_bytes() const {
  if (prepared) {
    return prepared->body().size();
  }
  if (stream) {
    return stream->length;
  }
  return file ? file->length : body.size();
}

ServerResponse TextResponse(int status, std::string text) {
  ServerResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body = std::move(text);
  return response;
}

PreparedResponse::PreparedResponse(int status, const std::vector<HttpHeader>& headers,
                                   std::string body)
    : status_(status),
      body_(std::move(body)),
      // The buffer is only read; the API's pointer is not const.
      handle_(::MHD_create_response_from_buffer(body_.size(), const_cast<char*>(body_.data()),
                                                MHD_RESPMEM_PERSISTENT)) {
  HNX_CHECK(handle_ != nullptr);
  AddHeaders(handle_, headers);
}

PreparedResponse::~PreparedResponse() {
  ::MHD_destroy_response(handle_);
}

}  // namespace hnx::http
