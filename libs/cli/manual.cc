#include "cli/manual.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string_view>

#include "cli/exit_code.h"

namespace hnx::cli {
namespace {

// Text that means itself in roff.
std::string Roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) {
      out += "\\&";
    }
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      default:
        out += c;
    }
    line_begins = c == '\n';
  }
  return out;
}

std::string Sentence(const std::string& text) {
  return Roff(text) + (text.ends_with('.') ? "\n" : ".\n");
}

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

void WriteOption(const OptionInfo& option, std::ostream& out) {
  out << ".TP\n";
  if (!option.short_flag.empty()) {
    out << "\\fB" << Roff(option.short_flag) << "\\fR, ";
  }
  out << "\\fB" << Roff(option.flag) << "\\fR";
  if (!option.value.empty()) {
    out << " \\fI" << Roff(option.value) << "\\fR";
  }
  out << '\n' << Sentence(option.help);
  if (!option.choices.empty()) {
    out << "One of";
    const char* separator = " ";
    for (const std::string& choice : option.choices) {
      out << separator << Roff(choice);
      separator = ", ";
    }
    out << (option.value.find('|') == std::string::npos ? ".\n" : " or a path.\n");
  }
  if (option.required) {
    out << "Required.\n";
  }
  if (option.repeated) {
    out << "May be given several times.\n";
  }
  if (!option.default_value.empty()) {
    out << "Default: " << Roff(option.default_value) << ".\n";
  }
  if (!option.environment.empty()) {
    out << "Environment: \\fB" << Roff(option.environment) << "\\fR.\n";
  }
}

void WriteCommand(const std::string& path, const CommandInfo& command, std::ostream& out) {
  out << ".SS " << '"' << Roff(path);
  for (const PositionalInfo& positional : command.positionals) {
    const std::string name = Upper(positional.name) + (positional.repeated ? "..." : "");
    out << ' ' << Roff(positional.required ? name : "[" + name + "]");
  }
  out << (command.commands.empty() ? " [OPTIONS]" : " COMMAND") << "\"\n"
      << Sentence(command.description);
  for (const PositionalInfo& positional : command.positionals) {
    out << ".TP\n\\fI" << Roff(Upper(positional.name)) << "\\fR\n" << Sentence(positional.help);
  }
  for (const OptionInfo& option : command.options) {
    if (option.flag != "--help" && option.flag != "--help-all") {
      WriteOption(option, out);
    }
  }
  if (!command.examples.empty()) {
    out << ".PP\nExamples:\n.PP\n.nf\n.RS 4\n";
    for (const std::string& example : command.examples) {
      out << Roff(example) << '\n';
    }
    out << ".RE\n.fi\n";
  }
  if (!command.schema.empty()) {
    out << ".PP\nWhat \\fB\\-\\-json\\fR prints is described by "
        << Roff(kSchemaFolder + command.schema) << ".\n";
  }
  if (!command.exit_codes.empty()) {
    out << ".PP\nExits with";
    const char* separator = " ";
    for (const ExitCode code : command.exit_codes) {
      out << separator << static_cast<int>(code);
      separator = ", ";
    }
    out << ".\n";
  }
}

}  // namespace

std::string ManualPage(const CommandInfo& program, const std::string& version) {
  std::ostringstream out;
  out << ".TH " << Upper(program.name) << " 1 \"\" \"hypercore-nixos " << version
      << "\" \"hypercore-nixos\"\n"
      << ".SH NAME\n"
      << program.name << " \\- " << Roff(program.description) << '\n'
      << ".SH SYNOPSIS\n\\fB" << program.name << "\\fR [OPTIONS] COMMAND [OPTIONS]\n"
      << ".SH DESCRIPTION\n"
      << "Every option is also an environment variable and a key in the file that "
         "\\fB\\-\\-config\\fR "
         "names (the flag without its dashes, one \"name = value\" a line). The command line wins "
         "over the environment, the environment over the file.\n"
      << ".SH OPTIONS\nOf every command:\n";
  for (const OptionInfo& option : program.options) {
    WriteOption(option, out);
  }
  out << ".SH COMMANDS\n";
  VisitCommands(program, [&](const std::string& path, const CommandInfo& command) {
    if (&command != &program) {
      WriteCommand(path, command, out);
    }
  });
  out << ".SH \"EXIT STATUS\"\n";
  for (const ExitCode code : kAllExits) {
    out << ".TP\n" << static_cast<int>(code) << '\n' << Sentence(MeaningOf(code));
  }
  return out.str();
}

}  // namespace hnx::cli
