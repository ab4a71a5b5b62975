// RootFilter: which roots of a list are wanted, by regular expressions on "<hash>-<name>".
#pragma once

#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hnx::coordinator {

inline constexpr std::size_t kRootPatternsMax = 100;
inline constexpr std::size_t kRootPatternLengthMax = 1000;

class RootFilter {
 public:
  // ECMAScript, searched anywhere in the name. kInvalidArgument names the pattern that is wrong.
  static Result<RootFilter> Create(const std::vector<std::string>& match,
                                   const std::vector<std::string>& exclude);

  // Some `match` (or there is none) and no `exclude`.
  bool Wants(std::string_view base_name) const;

 private:
  RootFilter() = default;
  std::vector<std::regex> match_;
  std::vector<std::regex> exclude_;
};

}  // namespace hnx::coordinator
