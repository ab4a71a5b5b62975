#include "cli/completion.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace hnx::cli {
namespace {

// In single quotes, for all three shells.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c == '\n' ? ' ' : c);
  }
  return out + "'";
}

// fish knows \' inside of single quotes.
std::string FishQuoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') {
      out += '\\';
    }
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

// A description's first sentence.
std::string Brief(const std::string& text) {
  constexpr std::size_t kBriefMax = 100;
  const std::string first = text.substr(0, text.find_first_of(".;"));
  return first.size() <= kBriefMax ? first : first.substr(0, first.rfind(' ', kBriefMax));
}

// The options of a command and those of the program, which every command takes.
std::vector<OptionInfo> OptionsOf(const CommandInfo& program, const CommandInfo& command) {
  std::vector<OptionInfo> options = command.options;
  if (&command == &program) {
    return options;
  }
  for (const OptionInfo& common : program.options) {
    const bool there = std::any_of(options.begin(), options.end(), [&](const OptionInfo& option) {
      return option.flag == common.flag;
    });
    if (!there && common.flag != "--version") {
      options.push_back(common);
    }
  }
  return options;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

struct Words {
  std::vector<std::pair<std::string, std::string>> commands;  // with what they do
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<std::string> valued;  // options that take a value
  std::vector<OptionInfo> with_choices;
};

Words WordsOf(const CommandInfo& program, const CommandInfo& command) {
  Words words;
  for (const CommandInfo& inner : command.commands) {
    words.commands.emplace_back(inner.name, Brief(inner.description));
  }
  for (const OptionInfo& option : OptionsOf(program, command)) {
    words.options.emplace_back(option.flag, Brief(option.help));
    if (!option.value.empty()) {
      words.valued.push_back(option.flag);
    }
    if (!option.choices.empty()) {
      words.with_choices.push_back(option);
    }
  }
  return words;
}

std::vector<std::string> NamesOf(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::vector<std::string> names;
  for (const auto& [name, meaning] : entries) {
    names.push_back(name);
  }
  return names;
}

// Every shell's script first finds out in which command the cursor is: words that are values of
// options do not count.
std::string Bash(const CommandInfo& program) {
  std::ostringstream out;
  const std::string& name = program.name;
  out << "# bash completion of " << name << ": source <(" << name << " completion bash)\n_" << name
      << "_words() {\n  case \"$1\" in\n";
  std::ostringstream choices;
  VisitCommands(program, [&](const std::string& path, const CommandInfo& command) {
    const Words words = WordsOf(program, command);
    out << "    " << Quoted(path) << ")\n      commands=" << Quoted(Joined(NamesOf(words.commands)))
        << "\n      options=" << Quoted(Joined(NamesOf(words.options)))
        << "\n      valued=" << Quoted(" " + Joined(words.valued) + " ") << " ;;\n";
    for (const OptionInfo& option : words.with_choices) {
      choices << "    " << Quoted(path + " " + option.flag)
              << ") words=" << Quoted(Joined(option.choices)) << " ;;\n";
    }
  });
  out << "  esac\n}\n_" << name << "() {\n"
      << "  local current=\"${COMP_WORDS[COMP_CWORD]}\" at=" << name
      << " previous='' words='' commands options valued word i\n"
      << "  _" << name << "_words \"$at\"\n"
      << "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      << "    word=\"${COMP_WORDS[i]}\"\n"
      << "    if [[ $valued != *\" $previous \"* && \" $commands \" == *\" $word \"* ]]; then\n"
      << "      at+=\" $word\"\n"
      << "      _" << name << "_words \"$at\"\n"
      << "    fi\n"
      << "    previous=\"$word\"\n"
      << "  done\n"
      << "  case \"$at $previous\" in\n"
      << choices.str() << "  esac\n"
      << "  if [[ -z $words && -n $previous && $valued == *\" $previous \"* ]]; then\n"
      << "    return  # a value: files, by complete -o default\n"
      << "  fi\n"
      << "  if [[ -z $words && $current == -* ]]; then words=$options; fi\n"
      << "  if [[ -z $words ]]; then words=$commands; fi\n"
      << "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      << "}\ncomplete -o default -F _" << name << ' ' << name << '\n';
  return out.str();
}

std::string ZshEntries(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "(";
  for (const auto& [name, meaning] : entries) {
    out += (out.size() == 1 ? "" : " ") + Quoted(name + ":" + meaning);
  }
  return out + ")";
}

std::string Zsh(const CommandInfo& program) {
  std::ostringstream out;
  const std::string& name = program.name;
  out << "#compdef " << name << "\n# zsh completion of " << name << ": source <(" << name
      << " completion zsh), or as _" << name << " in $fpath\n_" << name
      << "_words() {\n  case \"$1\" in\n";
  std::ostringstream choices;
  VisitCommands(program, [&](const std::string& path, const CommandInfo& command) {
    const Words words = WordsOf(program, command);
    out << "    (" << Quoted(path) << ")\n      commands=" << ZshEntries(words.commands)
        << "\n      options=" << ZshEntries(words.options)
        << "\n      valued=" << Quoted(" " + Joined(words.valued) + " ") << " ;;\n";
    for (const OptionInfo& option : words.with_choices) {
      choices << "    (" << Quoted(path + " " + option.flag) << ") compadd -- "
              << Joined(option.choices) << "; return ;;\n";
    }
  });
  out << "  esac\n}\n_" << name << "() {\n"
      << "  local at=" << name << " previous='' valued word i\n"
      << "  local -a commands options\n"
      << "  _" << name << "_words \"$at\"\n"
      << "  for ((i = 2; i < CURRENT; i++)); do\n"
      << "    word=$words[i]\n"
      << "    if [[ $valued != *\" $previous \"* && -n ${commands[(r)${word}:*]} ]]; then\n"
      << "      at+=\" $word\"\n"
      << "      _" << name << "_words \"$at\"\n"
      << "    fi\n"
      << "    previous=$word\n"
      << "  done\n"
      << "  case \"$at $previous\" in\n"
      << choices.str() << "  esac\n"
      << "  if [[ -n $previous && $valued == *\" $previous \"* ]]; then\n    _files\n    return\n  "
         "fi\n"
      << "  if [[ $PREFIX == -* ]]; then\n    _describe -o option options\n"
      << "  elif (( $#commands )); then\n    _describe command commands\n"
      << "  else\n    _files\n  fi\n}\n"
      << "if [[ $funcstack[1] == _" << name << " ]]; then _" << name << " \"$@\"; else compdef _"
      << name << ' ' << name << "; fi\n";
  return out.str();
}

std::string Fish(const CommandInfo& program) {
  std::ostringstream out;
  const std::string& name = program.name;
  std::ostringstream valued;
  std::ostringstream paths;
  std::ostringstream lines;
  VisitCommands(program, [&](const std::string& path, const CommandInfo& command) {
    const std::string here =
        "complete -c " + name + " -n " + FishQuoted("__" + name + "_at " + path);
    const Words words = WordsOf(program, command);
    for (const std::string& flag : words.valued) {
      valued << ' ' << Quoted(path + " " + flag);
    }
    for (const auto& [inner, meaning] : words.commands) {
      paths << ' ' << Quoted(path + " " + inner);
      lines << here << " -f -a " << inner << " -d " << FishQuoted(meaning) << '\n';
    }
    for (const OptionInfo& option : OptionsOf(program, command)) {
      lines << here << " -l " << option.flag.substr(2);
      if (!option.short_flag.empty()) {
        lines << " -s " << option.short_flag.substr(1);
      }
      if (!option.choices.empty()) {
        lines << " -x -a " << FishQuoted(Joined(option.choices));
      } else if (!option.value.empty()) {
        lines << " -r";
      }
      lines << " -d " << FishQuoted(Brief(option.help)) << '\n';
    }
  });
  out << "# fish completion of " << name << ": " << name << " completion fish | source\n"
      << "function __" << name << "_at\n"
      << "  set -l at " << name << "\n  set -l previous ''\n"
      << "  for word in (commandline -opc)[2..-1]\n"
      << "    if not contains -- \"$at $previous\"" << valued.str() << '\n'
      << "      if contains -- \"$at $word\"" << paths.str() << '\n'
      << "        set at \"$at $word\"\n      end\n    end\n"
      << "    set previous $word\n  end\n"
      << "  test \"$at\" = \"$argv\"\nend\n"
      << lines.str();
  return out.str();
}

}  // namespace

std::string CompletionScript(const CommandInfo& program, Shell shell) {
  switch (shell) {
    case Shell::kBash:
      return Bash(program);
    case Shell::kZsh:
      return Zsh(program);
    case Shell::kFish:
      return Fish(program);
  }
  return {};
}

}  // namespace hnx::cli
