#include "swarm/swarm_options.h"

#include "cli/option.h"

namespace hnx::swarm {

namespace {

// A word that was mistyped is not a file's name.
std::string CheckSwarm(const std::string& text) {
  const bool good =
      text == "on" || text == "auto" || text == "off" || text.find('/') != std::string::npos;
  return good ? "" : "want on, auto, off, or the path of a Unix socket such as ./bridge.sock";
}

}  // namespace

void SwarmOptions::AddTo(CLI::App& command) {
  cli::AddOption(command, "--swarm", swarm,
                 "Find peers in the swarm and be found there. on: with a bridge that is started "
                 "for it (Node.js); auto: the same, unless some are named with --peer; off; or the "
                 "path of a Unix socket on which bridges (swarm --socket PATH) are let in")
      ->check(CLI::Validator(CheckSwarm, "on|auto|off|PATH"));
  cli::AddOption(command, "--swarm-program", program,
                 "The bridge's swarm.mjs, started with node when it is needed; by default that of "
                 "this installation");
  cli::AddOption(command, "--swarm-bootstrap", bootstrap,
                 "HOST:PORT of a node of another DHT than the public one; may be given several "
                 "times");
}

}  // namespace hnx::swarm
