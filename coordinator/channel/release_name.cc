#include "coordinator/channel/release_name.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Cuts ".abcdef012345" off.
std::string_view WithoutCommit(std::string_view name) {
  constexpr std::size_t kCommitLengthMin = 7;
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name.size() - dot - 1 < kCommitLengthMin) {
    return name;
  }
  const std::string_view tail = name.substr(dot + 1);
  const bool is_hex = std::all_of(tail.begin(), tail.end(),
                                  [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); });
  return is_hex ? name.substr(0, dot) : name;
}

// The next run of digits or of letters; separators are passed over. Empty at the end.
std::string_view TakeComponent(std::string_view& text) {
  while (!text.empty() && !IsDigit(text.front()) && !IsLetter(text.front())) {
    text.remove_prefix(1);
  }
  std::size_t length = 0;
  while (length < text.size() && (IsDigit(text[length]) || IsLetter(text[length])) &&
         IsDigit(text[length]) == IsDigit(text.front())) {
    ++length;
  }
  const std::string_view component = text.substr(0, length);
  text.remove_prefix(length);
  return component;
}

std::strong_ordering CompareNumbers(std::string_view a, std::string_view b) {
  a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
  b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
  return a.size() != b.size() ? a.size() <=> b.size() : a.compare(b) <=> 0;
}

// "pre" < "" < letters < digits, as Nix has it.
int Rank(std::string_view component) {
  constexpr int kDigits = 3;
  if (component == "pre") {
    return 0;
  }
  if (component.empty()) {
    return 1;
  }
  return IsDigit(component.front()) ? kDigits : 2;
}

std::strong_ordering CompareComponents(std::string_view a, std::string_view b) {
  if (Rank(a) != Rank(b)) {
    return Rank(a) <=> Rank(b);
  }
  return !a.empty() && IsDigit(a.front()) ? CompareNumbers(a, b) : a.compare(b) <=> 0;
}

}  // namespace

bool IsSafeName(std::string_view name) {
  const auto allowed = [](char c) {
    return IsLetter(c) || IsDigit(c) || c == '.' || c == '_' || c == '+' || c == '-';
  };
  return !name.empty() && name.size() <= kReleaseNameLengthMax &&
         (IsLetter(name.front()) || IsDigit(name.front())) &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::strong_ordering CompareReleaseNames(std::string_view a, std::string_view b) {
  a = WithoutCommit(a);
  b = WithoutCommit(b);
  while (!a.empty() || !b.empty()) {
    const auto order = CompareComponents(TakeComponent(a), TakeComponent(b));
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return std::strong_ordering::equal;
}

}  // namespace hnx::coordinator
