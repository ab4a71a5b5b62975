#include "coordinator/cli/selection.h"

#include <fstream>
#include <iostream>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "cli/option.h"

namespace hnx::coordinator {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

ListSource FromStream(std::istream& stream, std::shared_ptr<std::istream> owner) {
  return [&stream, owner = std::move(owner)](std::string& piece) -> Result<bool> {
    piece.resize(kPieceBytes);
    stream.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<std::size_t>(stream.gcount()));
    if (stream.bad()) {
      return Unavailable("read the list of store paths: input error");
    }
    return !piece.empty();
  };
}

ListSource FromPaths(const std::vector<std::string>& paths) {
  auto text = std::make_shared<std::string>();
  for (const std::string& path : paths) {
    *text += path + "\n";
  }
  return [text](std::string& piece) -> Result<bool> {
    piece = std::exchange(*text, {});
    return !piece.empty();
  };
}

}  // namespace

void AddRootOptions(CLI::App& command, Selection& selection) {
  cli::AddOption(command, "--match", selection.match,
                 "Take only roots whose name matches this regular expression; again for more");
  cli::AddOption(command, "--exclude", selection.exclude,
                 "Leave out roots whose name matches; again for more");
  cli::AddFlag(command, "--force", selection.force,
               "Take a list that shrank, an older release, or what does not fit");
  cli::AddOption(command, "--max-missing", selection.max_missing,
                 "Move the channel's `latest` only if at most this share of the paths is left out; "
                 "negative: the coordinator's default");
  cli::AddOption(command, "--priority", selection.priority, "Higher is mirrored first");
}

void FillRootOptions(const Selection& selection, pb::Submission& submission) {
  submission.mutable_match()->Assign(selection.match.begin(), selection.match.end());
  submission.mutable_exclude()->Assign(selection.exclude.begin(), selection.exclude.end());
  submission.set_force(selection.force);
  submission.set_max_missing(selection.max_missing);
  submission.set_priority(selection.priority);
}

void AddSelectionOptions(CLI::App& command, Selection& selection) {
  cli::AddOption(command, "--channel", selection.channel, "A channel, e.g. nixos-unstable");
  cli::AddOption(command, "--store-paths", selection.store_paths,
                 "A file with one store path a line, or - for standard input");
  cli::AddOption(command, "--path", selection.paths, "A store path; again for more");
  cli::AddOption(command, "--name", selection.list_name,
                 "What a list of paths is called under /channels/ (default: paths)");
  AddRootOptions(command, selection);
}

Result<pb::Submission> ToSubmission(const Selection& selection) {
  const int kinds = (selection.channel.empty() ? 0 : 1) + (selection.store_paths.empty() ? 0 : 1) +
                    (selection.paths.empty() ? 0 : 1);
  if (kinds != 1) {
    return InvalidArgument("give one of --channel NAME, --store-paths FILE and --path PATH");
  }
  pb::Submission submission;
  submission.set_channel(selection.channel);
  submission.set_list_name(selection.list_name);
  FillRootOptions(selection, submission);
  return submission;
}

Result<ListSource> OpenList(const Selection& selection) {
  if (!selection.paths.empty()) {
    return FromPaths(selection.paths);
  }
  if (selection.store_paths.empty()) {
    return ListSource();
  }
  if (selection.store_paths == "-") {
    return FromStream(std::cin, nullptr);
  }
  auto file = std::make_shared<std::ifstream>(selection.store_paths, std::ios::binary);
  if (!file->is_open()) {
    return InvalidArgument(fmt::format("open {}: no such readable file", selection.store_paths));
  }
  return FromStream(*file, file);
}

}  // namespace hnx::coordinator
