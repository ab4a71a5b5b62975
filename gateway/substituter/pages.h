// The gateway's own texts: nix-cache-info and the page for people at /.
#pragma once

#include <string>
#include <string_view>

#include "gateway/substituter/mirror_source.h"

namespace hnx::gateway {

inline constexpr int kPriorityMin = 30;
inline constexpr int kPriorityMax = 39;

std::string CacheInfoText(int priority);

// What this is and how to use it; `host` is the request's Host header, untrusted.
std::string HomePage(const MirrorSource& source, std::string_view host, std::string_view index_id);

}  // namespace hnx::gateway
