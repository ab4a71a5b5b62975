#include "coordinator/channel/release_page.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/hex.h"
#include "coordinator/channel/release_name.h"

namespace hnx::coordinator {
namespace {

char LowerChar(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The position of `<name` followed by a blank, '/' or '>', in any case, at or after `from`.
std::size_t FindTag(std::string_view html, std::string_view name, std::size_t from) {
  for (std::size_t at = html.find('<', from); at != std::string_view::npos;
       at = html.find('<', at + 1)) {
    const std::string_view rest = html.substr(at + 1);
    if (rest.size() <= name.size()) {
      return std::string_view::npos;
    }
    const bool same = std::equal(name.begin(), name.end(), rest.begin(),
                                 [](char a, char b) { return a == LowerChar(b); });
    const char next = rest[name.size()];
    if (same && (next == '>' || next == ' ' || next == '\t' || next == '\n' || next == '\r' ||
                 next == '/')) {
      return at;
    }
  }
  return std::string_view::npos;
}

std::string DecodeEntities(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 6> kEntities{{{"&amp;", '&'},
                                                                        {"&lt;", '<'},
                                                                        {"&gt;", '>'},
                                                                        {"&quot;", '"'},
                                                                        {"&#39;", '\''},
                                                                        {"&nbsp;", ' '}}};
  std::string decoded;
  for (std::size_t i = 0; i < text.size();) {
    const auto* entity = std::find_if(kEntities.begin(), kEntities.end(), [&](const auto& known) {
      return text.substr(i).starts_with(known.first);
    });
    if (entity == kEntities.end()) {
      decoded += text[i++];
    } else {
      decoded += entity->second;
      i += entity->first.size();
    }
  }
  return decoded;
}

// What a reader sees of a piece of HTML: tags gone, entities decoded, blanks trimmed.
std::string VisibleText(std::string_view html) {
  std::string text;
  bool in_tag = false;
  for (const char c : html) {
    if (c == '<') {
      in_tag = true;
    } else if (c == '>' && in_tag) {
      in_tag = false;
    } else if (!in_tag) {
      text += c;
    }
  }
  text = DecodeEntities(text);
  constexpr const char* kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string::npos
             ? std::string()
             : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The visible texts of a row's <td> cells.
std::vector<std::string> Cells(std::string_view row) {
  std::vector<std::string> cells;
  for (std::size_t at = FindTag(row, "td", 0); at != std::string_view::npos;) {
    const std::size_t next = FindTag(row, "td", at + 1);
    const std::size_t end = std::min({FindTag(row, "/td", at), next, row.size()});
    cells.push_back(VisibleText(row.substr(at, end - at)));
    at = next;
  }
  return cells;
}

std::optional<std::uint64_t> ParseSize(const std::string& text) {
  std::string digits = text;
  digits.erase(std::remove(digits.begin(), digits.end(), ','), digits.end());
  std::uint64_t size = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return size;
}

std::optional<nix::Sha256Digest> ParseDigest(const std::string& text) {
  const auto bytes = DecodeHex(text);
  nix::Sha256Digest digest{};
  if (!bytes || bytes->size() != digest.size()) {
    return std::nullopt;
  }
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return digest;
}

// Nothing for a row of another kind (a heading, a link to the parent).
Result<std::optional<ListedFile>> ParseRow(std::string_view row) {
  constexpr std::size_t kColumns = 3;
  const std::vector<std::string> cells = Cells(row);
  if (cells.size() < kColumns || cells[2].empty()) {
    return std::optional<ListedFile>();
  }
  const auto size = ParseSize(cells[1]);
  const auto digest = ParseDigest(cells[2]);
  if (!size || !digest || !IsSafeName(cells[0])) {
    return InvalidArgument(fmt::format("its row '{}', '{}', '{}' is not name, size and SHA-256",
                                       cells[0].substr(0, kReleaseNameLengthMax),
                                       cells[1].substr(0, kReleaseNameLengthMax),
                                       cells[2].substr(0, kReleaseNameLengthMax)));
  }
  return std::optional(ListedFile{cells[0], *size, *digest});
}

}  // namespace

Result<ReleasePage> ParseReleasePage(std::string_view html) {
  ReleasePage page;
  std::set<std::string> names;
  for (std::size_t at = FindTag(html, "tr", 0); at != std::string_view::npos;) {
    const std::size_t next = FindTag(html, "tr", at + 1);
    const std::size_t close = FindTag(html, "/tr", at);
    if (close == std::string_view::npos && next == std::string_view::npos &&
        FindTag(html, "/table", at) == std::string_view::npos) {
      return Unavailable("the release page ends in the middle of its table");
    }
    const std::size_t end = std::min({close, next, html.size()});
    HNX_ASSIGN_OR_RETURN(auto file, ParseRow(html.substr(at, end - at)));
    if (file && !names.insert(file->name).second) {
      return InvalidArgument(fmt::format("it lists {} twice", file->name));
    }
    if (file) {
      page.files.push_back(*std::move(file));
    }
    if (page.files.size() > kReleaseFilesMax) {
      return InvalidArgument(fmt::format("it lists more than {} files", kReleaseFilesMax));
    }
    at = next;
  }
  if (!page.files.empty() && FindTag(html, "/table", 0) == std::string_view::npos) {
    return Unavailable("the release page ends in the middle of its table");
  }
  return page;
}

}  // namespace hnx::coordinator
