#include "cli/suggestion.h"

#include <algorithm>

#include <fmt/format.h>

namespace hnx::cli {
namespace {

// How many letters have to be put in, taken out, changed or swapped with the next.
std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const bool same = a[i - 1] == b[j - 1];
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string DidYouMean(const std::string& word, const std::vector<std::string>& known) {
  const auto nearest = Nearest(word, known);
  return nearest ? fmt::format("; did you mean {}?", *nearest) : "";
}

// A command that was named, below those that it is in: they share their options.
class Reading {
 public:
  explicit Reading(const CommandInfo& program) : named_{&program}, path_(program.name) {}

  const CommandInfo& command() const { return *named_.back(); }
  const std::string& path() const { return path_; }
  bool Descend(const std::string& word) {
    const auto& inner = command().commands;
    const auto found = std::find_if(inner.begin(), inner.end(),
                                    [&](const auto& info) { return info.name == word; });
    if (found == inner.end()) {
      return false;
    }
    named_.push_back(&*found);
    path_ += " " + word;
    return true;
  }
  const OptionInfo* Find(const std::string& flag) const {
    for (const CommandInfo* named : named_) {
      for (const OptionInfo& option : named->options) {
        if (option.flag == flag || (!option.short_flag.empty() && option.short_flag == flag)) {
          return &option;
        }
      }
    }
    return nullptr;
  }
  std::vector<std::string> Flags() const {
    std::vector<std::string> flags;
    for (const CommandInfo* named : named_) {
      for (const OptionInfo& option : named->options) {
        flags.push_back(option.flag);
      }
    }
    return flags;
  }
  std::vector<std::string> Commands() const {
    std::vector<std::string> names;
    for (const CommandInfo& inner : command().commands) {
      names.push_back(inner.name);
    }
    return names;
  }

 private:
  std::vector<const CommandInfo*> named_;
  std::string path_;
};

bool IsNumber(const std::string& word) {
  return word.find_first_not_of("-.0123456789") == std::string::npos;
}

}  // namespace

std::optional<std::string> Nearest(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t kWordMax = 64;
  if (word.empty() || word.size() > kWordMax) {
    return std::nullopt;
  }
  // One slip in three letters.
  std::size_t least = word.size() / 3 + 1;
  std::optional<std::string> nearest;
  for (const std::string& each : known) {
    const std::size_t distance = EditDistance(word, each);
    if (distance < least || (distance == least && !nearest)) {
      least = distance;
      nearest = each;
    }
  }
  return nearest;
}

std::optional<std::string> ExplainUnknownWord(const CommandInfo& program,
                                              const std::vector<std::string>& words) {
  Reading reading(program);
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    const std::string& word = words[i];
    if (word.starts_with("-") && word.size() > 1 && !IsNumber(word)) {
      const std::size_t equals = word.find('=');
      const std::string flag = word.substr(0, equals);
      const OptionInfo* option = reading.Find(flag);
      if (option == nullptr) {
        return fmt::format("{} has no option {}{}", reading.path(), flag,
                           DidYouMean(flag, reading.Flags()));
      }
      if (!option->value.empty() && equals == std::string::npos) {
        ++i;
      }
    } else if (!reading.Descend(word) && !reading.command().commands.empty()) {
      return fmt::format("{} has no command {}{}", reading.path(), word,
                         DidYouMean(word, reading.Commands()));
    }
  }
  return std::nullopt;
}

}  // namespace hnx::cli
