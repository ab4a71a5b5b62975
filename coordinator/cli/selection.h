// What submit and plan take: a channel or a list of store paths, and which of its roots.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {

struct Selection {
  std::string channel;
  std::string store_paths;  // a file, or "-"
  std::vector<std::string> paths;
  std::string list_name;
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  bool force = false;
  double max_missing = -1;
  int priority = 0;
};

// --channel, --store-paths, --path, --name, --match, --exclude, --force, --max-missing, --priority
void AddSelectionOptions(CLI::App& command, Selection& selection);
// Only --match, --exclude and what follows them above.
void AddRootOptions(CLI::App& command, Selection& selection);
// What those options said.
void FillRootOptions(const Selection& selection, pb::Submission& submission);

// kInvalidArgument unless exactly one of channel, list and paths is given.
Result<pb::Submission> ToSubmission(const Selection& selection);
// Null for a channel.
Result<ListSource> OpenList(const Selection& selection);

}  // namespace hnx::coordinator
