// The least work that a walk can be: libcurl multi on one thread, HTTP/1.1 over 16 connections,
// references picked out of the text, nothing verified, nothing stored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hnx::bench {

// `roots`: hash parts. How many narinfos were read.
std::uint64_t PlainWalk(const std::string& url, const std::vector<std::string>& roots);

}  // namespace hnx::bench
