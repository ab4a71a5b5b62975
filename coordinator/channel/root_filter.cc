#include "coordinator/channel/root_filter.h"

#include <algorithm>

#include <fmt/format.h>

namespace hnx::coordinator {
namespace {

Result<std::vector<std::regex>> Compile(const std::vector<std::string>& patterns) {
  if (patterns.size() > kRootPatternsMax) {
    return InvalidArgument(fmt::format("more than {} patterns", kRootPatternsMax));
  }
  std::vector<std::regex> compiled;
  for (const std::string& pattern : patterns) {
    if (pattern.size() > kRootPatternLengthMax) {
      return InvalidArgument(fmt::format("a pattern is longer than {}", kRootPatternLengthMax));
    }
    try {
      compiled.emplace_back(pattern, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      return InvalidArgument(fmt::format("pattern '{}': {}", pattern, error.what()));
    }
  }
  return compiled;
}

bool AnyMatches(const std::vector<std::regex>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::regex& pattern) {
    return std::regex_search(name.begin(), name.end(), pattern);
  });
}

}  // namespace

Result<RootFilter> RootFilter::Create(const std::vector<std::string>& match,
                                      const std::vector<std::string>& exclude) {
  RootFilter filter;
  HNX_ASSIGN_OR_RETURN(filter.match_, Compile(match));
  HNX_ASSIGN_OR_RETURN(filter.exclude_, Compile(exclude));
  return filter;
}

bool RootFilter::Wants(std::string_view base_name) const {
  return (match_.empty() || AnyMatches(match_, base_name)) && !AnyMatches(exclude_, base_name);
}

}  // namespace hnx::coordinator
