// HNX_CHECK: what only a bug can break. On in release builds too: a mirror that carries on after
// its own invariant broke could publish a lie. Bytes from outside never reach a CHECK; they get an
// Error.
#pragma once

namespace hnx::internal {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace hnx::internal

#define HNX_CHECK(condition)                                        \
  do {                                                              \
    if (!(condition)) [[unlikely]] {                                \
      ::hnx::internal::CheckFailed(#condition, __FILE__, __LINE__); \
    }                                                               \
  } while (false)
