#include "coordinator/make_token.h"

#include <iostream>
#include <memory>
#include <string>

#include "access/role.h"
#include "access/token.h"

namespace hnx::coordinator {
namespace {

struct MakeTokenOptions {
  std::string role;
  std::string name;
};

cli::ExitCode MakeToken(const MakeTokenOptions& options) {
  const auto role = access::ParseRole(options.role);
  if (!role) {
    std::cerr << "coordinator make-token: no role is called so; want worker, index, gateway, "
                 "operator or viewer\n";
    return cli::ExitCode::kUsage;
  }
  if (!access::IsName(options.name)) {
    std::cerr << "coordinator make-token: a name is 1 to " << access::kNameMax
              << " of letters, digits and . _ - @\n";
    return cli::ExitCode::kUsage;
  }
  const std::string token = access::MakeToken();
  std::cout << token << '\n' << access::TokenLine(*role, options.name, token) << '\n';
  std::cerr
      << "The first line is the token, for --token-file of the one who calls (chmod 600); it is "
         "shown only now.\nThe second one belongs into --tokens-file of the coordinator.\n";
  return cli::ExitCode::kOk;
}

}  // namespace

void AddMakeTokenCommand(cli::Program& program) {
  auto options = std::make_shared<MakeTokenOptions>();
  CLI::App& command = program.AddCommand(
      "make-token", "Make a token that lets a caller in, and the line by which it is known",
      [options] { return MakeToken(*options); },
      "coordinator make-token operator alice\n"
      "coordinator make-token worker worker-1",
      cli::kPrintingExits);
  command.add_option("role", options->role, "worker, index, gateway, operator or viewer")
      ->required();
  command.add_option("name", options->name, "Who it is; what the audit says")->required();
}

}  // namespace hnx::coordinator
