#include "fake_upstream.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "nix/hash.h"

namespace hnx::test {

using namespace coordinator;  // NOLINT(google-build-using-namespace): the tests' subject

std::string HashOf(int path) {
  return fmt::format("{:0>24}{:08}", "", path);
}

std::string FileOf(int nar) {
  return fmt::format("{:0>52}.nar.xz", nar);
}

Bytes Digest(std::string_view text) {
  const nix::Sha256Digest digest = nix::Sha256::Of(AsBytes(text));
  return Bytes(digest.begin(), digest.end());
}

coordinator::Sha256 HashOfNar(int nar) {
  coordinator::Sha256 hash{};
  const Bytes digest = Digest(fmt::format("nar {}", nar));
  std::copy(digest.begin(), digest.end(), hash.begin());
  return hash;
}

int NarOf(const FakeUpstream& upstream, int path) {
  const int shared = upstream[static_cast<std::size_t>(path)].nar;
  return shared < 0 ? path : shared;
}

std::string ContentOf(const FakeUpstream& upstream, int path) {
  std::string text = fmt::format("narinfo {} nar {} refs", path, NarOf(upstream, path));
  for (const int reference : upstream[static_cast<std::size_t>(path)].references) {
    text += fmt::format(" {}", reference);
  }
  return text;
}

int PathOfHash(const std::string& hash) {
  return std::stoi(hash.substr(24));
}

DriveHead Grow(const DriveHead& head, std::string_view what, std::uint64_t bytes) {
  DriveHead next = head;
  next.db_length += 1;
  next.content_length += 1;
  next.content_byte_length += bytes;
  next.db_tree_hash = Digest(std::string(AsText(head.db_tree_hash)) + std::string(what));
  next.content_tree_hash = next.db_tree_hash;
  return next;
}

std::vector<std::string> ExpectedStates(const FakeUpstream& upstream) {
  std::vector<std::string> states(upstream.size(), "published");
  for (std::size_t path = 0; path < upstream.size(); ++path) {
    const FakePath& nar =
        upstream[static_cast<std::size_t>(NarOf(upstream, static_cast<int>(path)))];
    if (upstream[path].missing) {
      states[path] = "missing";
    } else if (nar.nar_failures >= 1 && nar.nar_failure == ErrorCode::kNotFound) {
      states[path] = "missing";
    } else if (nar.nar_failures >= 2 && nar.nar_failure == ErrorCode::kDataLoss) {
      states[path] = "set_aside";
    }
  }
  const std::vector<std::string> own = states;
  // Blocked: some other path below has failed and is not blocked itself. The causes are those whose
  // own closure has no other failure.
  const auto below = [&](std::size_t root) {
    std::set<int> seen;
    std::vector<int> todo(upstream[root].references);
    while (!todo.empty()) {
      const int path = todo.back();
      todo.pop_back();
      if (!seen.insert(path).second || upstream[static_cast<std::size_t>(path)].missing) {
        continue;
      }
      const auto& references = upstream[static_cast<std::size_t>(path)].references;
      todo.insert(todo.end(), references.begin(), references.end());
    }
    seen.erase(static_cast<int>(root));
    return seen;
  };
  for (std::size_t path = 0; path < upstream.size(); ++path) {
    if (upstream[path].missing) {
      continue;
    }
    for (const int other : below(path)) {
      if (own[static_cast<std::size_t>(other)] != "published") {
        states[path] = "blocked";
      }
    }
  }
  return states;
}

}  // namespace hnx::test
