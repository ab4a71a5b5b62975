#include "hyper/core/page_cache.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "base/clock.h"
#include "hyper/core/stale_pages.h"

namespace hnx::hyper {
namespace {

std::atomic<std::uint64_t>& Drops() {
  static std::atomic<std::uint64_t> drops{0};
  return drops;
}

}  // namespace

void PageCache::DropAll() {
  ++Drops();
}

bool DropStalePages() {
  static std::atomic<std::int64_t> dropped_ms{0};
  constexpr std::int64_t kIntervalMs = 1'000;
  const std::int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                               Clock::Real().Steady().time_since_epoch())
                               .count();
  std::int64_t before = dropped_ms;
  if ((before != 0 && now - before < kIntervalMs) ||
      !dropped_ms.compare_exchange_strong(before, now)) {
    return false;
  }
  PageCache::DropAll();
  return true;
}

Result<ByteView> PageCache::Page(std::uint64_t number) {
  if (const std::uint64_t drops = Drops(); drops != drops_seen_) {
    drops_seen_ = drops;
    Drop();
  }
  auto found = pages_.find(number);
  if (found == pages_.end()) {
    Bytes bytes(kPageBytes);
    HNX_ASSIGN_OR_RETURN(const std::size_t count, storage_.Read(file_, number * kPageBytes, bytes));
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(count), bytes.end(), std::byte{0});
    if (pages_.size() >= kPagesMax) {
      EvictOne();
    }
    found = pages_.emplace(number, Entry{std::move(bytes), 0}).first;
  }
  found->second.last_used = ++clock_;
  return ByteView(found->second.bytes);
}

Result<void> PageCache::Read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    HNX_ASSIGN_OR_RETURN(const ByteView page, Page(offset / kPageBytes));
    const std::size_t within = offset % kPageBytes;
    const std::size_t count = std::min(out.size(), kPageBytes - within);
    std::memcpy(out.data(), page.data() + within, count);
    out = out.subspan(count);
    offset += count;
  }
  return {};
}

void PageCache::EvictOne() {
  const auto oldest = std::min_element(
      pages_.begin(), pages_.end(),
      [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; });
  pages_.erase(oldest);
}

}  // namespace hnx::hyper
