// Names of releases, e.g. nixos-26.11pre1234567.abcdef012345: what they may look like, and which of
// two is older.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace hnx::coordinator {

inline constexpr std::size_t kReleaseNameLengthMax = 128;

// One path component that is safe in URLs, drives and file systems: letters, digits and ._+- after
// a letter or digit. Holds for channels and for the names of a release's files as well.
bool IsSafeName(std::string_view name);

// By version as Nix compares: digits by number, "pre" before nothing; the commit at the end, which
// says nothing about age, is left out.
std::strong_ordering CompareReleaseNames(std::string_view a, std::string_view b);

}  // namespace hnx::coordinator
