// FakeUpstream: a list of paths, each known by its number, and what must come of them. Names,
// hashes and contents are functions of the numbers.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/result.h"
#include "coordinator/domain/drive_head.h"
#include "coordinator/store/walk_store.h"

namespace hnx::test {

// What upstream has for one path, and what happens to whoever fetches its NAR.
struct FakePath {
  std::string name = "p";
  std::vector<int> references{};  // numbers of other paths
  bool missing = false;           // no narinfo
  // The NAR: stored at the attempt after so many failures of this code.
  ErrorCode nar_failure = ErrorCode::kUnknown;
  int nar_failures = 0;
  int nar = -1;  // shares the NAR of another path; -1: its own
  std::uint64_t file_size = 100;
};
using FakeUpstream = std::vector<FakePath>;

// 32 characters of nix32 made from a number; in the order of the numbers.
std::string HashOf(int path);
std::string FileOf(int nar);
// The NAR of a path: its own, or the one that it shares.
int NarOf(const FakeUpstream& upstream, int path);
coordinator::Sha256 HashOfNar(int nar);
// Its narinfo.
std::string ContentOf(const FakeUpstream& upstream, int path);
// The path of HashOf.
int PathOfHash(const std::string& hash);

Bytes Digest(std::string_view text);
// The head after one more thing was appended; a function of all that was.
coordinator::DriveHead Grow(const coordinator::DriveHead& head, std::string_view what,
                            std::uint64_t bytes);

// What must come of each path: "published", "missing", "set_aside" or "blocked".
std::vector<std::string> ExpectedStates(const FakeUpstream& upstream);

// The value; a test that goes on without it would mean nothing.
template <class T>
T Must(Result<T> result) {
  if (!result.has_value()) {
    ADD_FAILURE() << result.error().ToString();
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

}  // namespace hnx::test
