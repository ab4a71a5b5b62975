#include "coordinator/upstream/upstream_set.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "http/percent.h"
#include "http/redirect_rules.h"

namespace hnx::coordinator {
namespace {

constexpr std::string_view kFileScheme = "file:///";

// What one --upstream says.
struct Specification {
  std::string url;
  std::optional<int> priority;
  std::vector<std::string> keys;
};

Error Wrong(const std::string& url, std::string_view what) {
  return InvalidArgument(fmt::format("--upstream {}: {}", url, what));
}

Result<int> ReadPriority(const std::string& url, const std::string& text) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value < 0) {
    return Wrong(url, fmt::format("priority={} is no number from 0 on", text));
  }
  return value;
}

void AddWords(std::string_view text, std::vector<std::string>& words) {
  constexpr std::string_view kBlanks = " \t\r\n";
  for (std::size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;
       begin = text.find_first_not_of(kBlanks, begin)) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
}

// What stands before the first separator, and after it; all and nothing when there is none.
std::pair<std::string_view, std::string_view> Cut(std::string_view text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) {
    return {text, {}};
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

// "name=value", where the value may hold further '='.
Result<void> ReadParameter(std::string_view parameter, Specification& specification) {
  const auto [name, encoded] = Cut(parameter, '=');
  auto value = http::PercentDecode(encoded);
  if (!value.has_value()) {
    return Wrong(specification.url, value.error().message);
  }
  if (name == "trusted-public-keys") {
    const std::size_t before = specification.keys.size();
    AddWords(*value, specification.keys);
    if (specification.keys.size() == before) {
      return Wrong(specification.url, "trusted-public-keys names no key: NAME:BASE64");
    }
    return {};
  }
  if (name == "priority") {
    if (specification.priority) {
      return Wrong(specification.url, "priority is given twice");
    }
    HNX_ASSIGN_OR_RETURN(specification.priority, ReadPriority(specification.url, *value));
    return {};
  }
  return Wrong(specification.url,
               fmt::format("'{}' is no parameter; there are trusted-public-keys and priority "
                           "(quote the URL for your shell: it holds '?' and '&')",
                           name));
}

Result<Specification> ReadSpecification(const std::string& text) {
  auto [url, parameters] = Cut(text, '?');
  Specification specification{.url = std::string(url), .priority = {}, .keys = {}};
  while (specification.url.ends_with('/') && specification.url != kFileScheme) {
    specification.url.pop_back();
  }
  if (!specification.url.starts_with(kFileScheme)) {
    if (const auto parts = http::ParseHttpUrl(specification.url); !parts.has_value()) {
      return parts.error().Annotate("--upstream");
    }
  }
  if (specification.url.find('#') != std::string::npos) {
    return Wrong(specification.url, "a binary cache's URL has no '#'");
  }
  while (!parameters.empty()) {
    const auto [parameter, rest] = Cut(parameters, '&');
    HNX_TRY(ReadParameter(parameter, specification));
    parameters = rest;
  }
  return specification;
}

Result<std::vector<Specification>> ReadSpecifications(std::span<const std::string> texts) {
  if (texts.empty() || texts.size() > kUpstreamsMax) {
    return InvalidArgument(fmt::format("--upstream: give 1 to {} binary caches", kUpstreamsMax));
  }
  std::vector<Specification> read;
  for (const std::string& text : texts) {
    HNX_ASSIGN_OR_RETURN(Specification specification, ReadSpecification(text));
    for (const Specification& other : read) {
      if (other.url == specification.url) {
        return Wrong(specification.url, "given twice");
      }
      if (other.priority.has_value() != specification.priority.has_value()) {
        return Wrong(specification.url,
                     "give a priority to every upstream, or to none: then the order in which they "
                     "are given counts");
      }
    }
    read.push_back(std::move(specification));
  }
  std::stable_sort(read.begin(), read.end(), [](const Specification& a, const Specification& b) {
    return a.priority.value_or(0) < b.priority.value_or(0);
  });
  return read;
}

}  // namespace

Result<UpstreamSet> UpstreamSet::Parse(std::span<const std::string> specifications,
                                       std::span<const std::string> keys_for_all) {
  HNX_ASSIGN_OR_RETURN(std::vector<Specification> read, ReadSpecifications(specifications));
  UpstreamSet set;
  const auto note_key = [&](const std::string& key) {
    if (std::find(set.all_public_keys_.begin(), set.all_public_keys_.end(), key) ==
        set.all_public_keys_.end()) {
      set.all_public_keys_.push_back(key);
    }
  };
  std::for_each(keys_for_all.begin(), keys_for_all.end(), note_key);
  for (Specification& specification : read) {
    std::vector<std::string> keys(keys_for_all.begin(), keys_for_all.end());
    keys.insert(keys.end(), specification.keys.begin(), specification.keys.end());
    auto trusted = nix::TrustedKeys::Parse(keys);
    if (!trusted.has_value()) {
      return trusted.error().Annotate("--upstream " + specification.url);
    }
    std::for_each(specification.keys.begin(), specification.keys.end(), note_key);
    set.upstreams_.push_back({.url = std::move(specification.url),
                              .priority = specification.priority.value_or(0),
                              .own_keys = std::move(specification.keys),
                              .keys = *std::move(trusted)});
  }
  if (set.all_public_keys_.size() > kPublicKeysMax) {
    return InvalidArgument(
        fmt::format("--upstream: {} public keys in all, at most {} can be published",
                    set.all_public_keys_.size(), kPublicKeysMax));
  }
  auto all = nix::TrustedKeys::Parse(set.all_public_keys_);
  if (!all.has_value()) {
    return all.error().Annotate(
        "--upstream: clients of the mirror know one key a name, whatever upstream a path is from");
  }
  set.all_keys_ = *std::move(all);
  return set;
}

std::vector<std::string> UpstreamSet::urls() const {
  std::vector<std::string> urls;
  for (const Upstream& upstream : upstreams_) {
    urls.push_back(upstream.url);
  }
  return urls;
}

}  // namespace hnx::coordinator
