#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace hnx::internal {

void CheckFailed(const char* condition, const char* file, int line) {
  // Not the logger: it may be the thing that is broken.
  (void)std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace hnx::internal
