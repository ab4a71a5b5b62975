// SwarmOptions: whether and how a program joins the swarm; the same words for every program.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace hnx::swarm {

struct SwarmOptions {
  // on: with a bridge of its own; auto: the same, unless somebody to ask is named; off; or the path
  // of a Unix socket on which bridges that others run are let in.
  std::string swarm = "auto";
  std::string program;                 // swarm.mjs; empty: where an installation has it
  std::vector<std::string> bootstrap;  // HOST:PORT; empty: the public DHT

  // --swarm, --swarm-program, --swarm-bootstrap. Their defaults are what the object holds.
  void AddTo(CLI::App& command);

  // `others`: somebody to ask is named.
  bool Wanted(bool others) const { return swarm != "off" && (swarm != "auto" || !others); }
};

}  // namespace hnx::swarm
