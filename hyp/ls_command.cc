// hyp ls
#include <iostream>
#include <memory>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"
#include "hyp/link_resolver.h"
#include "mirror/index_layout.h"

namespace hnx::hyp {

namespace {

struct LsOptions {
  DriveSource source;
  std::string address;
  bool long_lines = false;
  bool json = false;
};

void Print(const LsOptions& options, const hyper::DriveEntry& entry, const ResolvedFile& file) {
  if (options.json) {
    nlohmann::ordered_json line;
    line["path"] = entry.path;
    line["size"] = file.size_bytes ? nlohmann::ordered_json(*file.size_bytes) : nullptr;
    line["executable"] = file.executable;
    line["shard"] = file.shard ? nlohmann::ordered_json(file.shard->id()) : nullptr;
    line["here"] = file.here;
    std::cout << cli::JsonLine(line) << '\n';
    return;
  }
  if (options.long_lines) {
    std::cout << fmt::format(
        "{} {:>14} {} ", file.executable ? 'x' : '-',
        file.size_bytes ? fmt::format("{}", *file.size_bytes) : std::string("?"),
        file.shard ? file.shard->id() + (file.here ? "" : " (not here)") : std::string("-"));
  }
  std::cout << cli::Printable(entry.path) << '\n';
}

Result<void> List(const LsOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  HNX_ASSIGN_OR_RETURN(const auto mirror, options.source.Open(address.key));
  const auto view = mirror->view();
  const auto index = view->index_view();
  LinkResolver resolver(*view);
  // From afar, a look into the shard costs a round trip a file.
  const bool by_form = mirror->from_afar() && !options.long_lines && !options.json;
  if (address.path.empty() || address.path == mirror::kNarFolder) {
    // Nearly all entries: together they come sooner than one by one.
    HNX_TRY(mirror->FetchEntries(address.key, [](std::uint64_t, std::uint64_t) {}));
  }
  std::uint64_t found = 0;
  const auto visit = [&](const hyper::DriveEntry& entry) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const auto file, by_form ? Result<std::optional<ResolvedFile>>(
                                                        resolver.ResolveByForm(entry))
                                                  : resolver.Resolve(entry));
    if (file && IsNormalPath(entry.path)) {
      ++found;
      Print(options, entry, *file);
    }
    return {};
  };
  if (!address.path.empty()) {
    HNX_ASSIGN_OR_RETURN(const auto entry, index->Entry(address.path));
    if (entry) {
      HNX_TRY(visit(*entry));
    }
  }
  HNX_ASSIGN_OR_RETURN(const auto list, index->List(address.path));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      break;
    }
    HNX_TRY(visit(*entry));
  }
  if (found == 0 && !address.path.empty()) {
    return NotFound(fmt::format("there is nothing at {} in {}", address.path, address.root()));
  }
  return {};
}

}  // namespace

void AddLsCommand(cli::Program& program) {
  auto options = std::make_shared<LsOptions>();
  CLI::App& command = program.AddCommand(
      "ls",
      "List the files below a folder of a drive, links of a mirror followed into its shards. "
      "Links\n"
      "that lead anywhere else are not there.",
      [options] {
        const auto done = List(*options);
        return done ? cli::ExitCode::kOk : Fail(done.error());
      },
      "hyp ls hyper://KEY\nhyp ls --long hyper://KEY/nar --drives /srv/drives", cli::kAskingExits);
  command.add_option("address", options->address, "hyper://KEY or hyper://KEY/folder")->required();
  options->source.AddTo(command);
  cli::AddFlag(
      command, "--long", options->long_lines,
      "Show also whether executable, the size in bytes, and the shard that holds the file");
  cli::AddFlag(command, "--json", options->json, "Print one JSON object a file");
}

}  // namespace hnx::hyp
