#include "coordinator/cli/release_table.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/units.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;

std::string Of(std::string done, const std::string& total) {
  return done == total ? total : std::move(done) + " of " + total;
}

std::vector<std::string> Remarks(const pb::Release& release) {
  std::vector<std::string> remarks;
  if (release.latest()) {
    remarks.emplace_back("latest");
  }
  if (release.pinned()) {
    remarks.emplace_back("pinned");
  }
  if (release.priority() != 0) {
    remarks.push_back(fmt::format("priority {}", release.priority()));
  }
  if (release.paths().left_out() > 0) {
    remarks.push_back(
        fmt::format("{} outside of the budget", cli::FormatCount(release.paths().left_out())));
  }
  if (release.paused()) {
    remarks.push_back("paused: " + release.pause_reason());
  }
  if (!release.message().empty()) {
    remarks.push_back(release.message());
  }
  return remarks;
}

}  // namespace

cli::Table ReleaseTable() {
  using cli::Align;
  return cli::Table({{"ID", Align::kRight},
                     {"RELEASE"},
                     {"STATE"},
                     {"PUBLISHED", Align::kRight},
                     {"STORED", Align::kRight},
                     {"LEFT OUT", Align::kRight},
                     {"SUBMITTED"}});
}

void AddRelease(const pb::Release& release, cli::Table& table) {
  const pb::PathCounts& paths = release.paths();
  const pb::NarCounts& nars = release.nars();
  table.Add({std::to_string(release.id()), ReleaseTitle(release), ReleaseStateName(release.state()),
             Of(cli::FormatCount(paths.published()), cli::FormatCount(paths.total())),
             Of(cli::FormatBytes(nars.bytes_stored()), cli::FormatBytes(nars.bytes_total())),
             cli::FormatCount(paths.missing() + paths.set_aside() + paths.blocked()),
             FormatTime(release.submitted_at_ms())},
            Remarks(release));
}

}  // namespace hnx::coordinator
