// What the head of a response says of the server: its clock, and the version of HTTP that it spoke.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "http/http_message.h"

namespace hnx::http {

// The client puts the protocol before the headers of each response, under a name that is no
// server's: its own line comes first, and the first one counts.
inline constexpr std::string_view kProtocolHeader = "hnx-received-protocol";

// It came over HTTP/2.
bool CameOverHttp2(const HttpHeaders& headers);

// The time of its Date header; nothing: there is none, or it is no date.
std::optional<Clock::WallTime> ServerTime(const HttpHeaders& headers);

}  // namespace hnx::http
