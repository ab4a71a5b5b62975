#include "coordinator/rescan/rescan_report.h"

#include <algorithm>
#include <array>
#include <ostream>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/units.h"

namespace hnx::coordinator {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownFindings = 20;

struct Unknown {
  const char* what;
  const char* command;
};
// In no drive; each with the command that says it again.
constexpr std::array<Unknown, 12> kUnknown{{
    {"pins of releases", "coordinator pin CHANNEL/RELEASE"},
    {"pauses of everything, releases, upstreams and workers", "coordinator pause ..."},
    {"priorities", "coordinator priority RELEASE N"},
    {"channels that are followed, with their expressions and debounce",
     "coordinator follow CHANNEL ..."},
    {"retention of channels", "coordinator retention CHANNEL --keep N --keep-days D"},
    {"drained and forgotten workers", "coordinator drain WORKER, coordinator forget WORKER"},
    {"releases that were planned, refused, cancelled or still at work", "coordinator submit ..."},
    {"who submitted what, with which --max-missing", ""},
    {"attempts, messages and times of failures (their reasons are there)", ""},
    {"narinfos of blocked paths: a retry reads them again", "coordinator failures retry --all"},
    {"the history that `coordinator why` tells", ""},
    {"NARs whose file differs from upstream's FileHash, until their workers have reported them",
     ""},
}};

struct KindText {
  std::string_view kind;
  const char* text;
  bool left_out;
};
constexpr std::array<KindText, 11> kKinds{{
    {"narinfo", "narinfos left out", true},
    {"link", "links left out", true},
    {"release", "releases left out", true},
    {"manifest", "manifests with something unreadable", true},
    {"listing", "listings that do not add up (their releases are walked again)", true},
    {"file", "release files left out (their releases are resolved again)", true},
    {"roots", "lists of roots that cannot be read", true},
    {"place", "NARs that lie elsewhere than the database said", false},
    {"vanished", "paths that the database had as published and that have left the index", false},
    {"retired", "releases that have left the index", false},
    {"leaving", "releases that the database has leave the index", false},
}};

const KindText* TextOf(std::string_view kind) {
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(),
                                         [&](const KindText& text) { return text.kind == kind; });
  return found == kKinds.end() ? nullptr : found;
}

}  // namespace

bool LeftOut(const RescanReport& report) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [](const RescanReport::Kind& kind) {
                       const KindText* const text = TextOf(kind.kind);
                       return text == nullptr || text->left_out;
                     });
}

Json RescanJson(const RescanReport& report) {
  Json findings = Json::array();
  for (const RescanReport::Kind& kind : report.findings) {
    Json named = Json::array();
    for (const RescanFinding& finding : kind.named) {
      named.push_back({{"object", finding.object}, {"reason", finding.reason}});
    }
    findings.push_back({{"kind", kind.kind}, {"count", kind.count}, {"named", named}});
  }
  Json unknown = Json::array();
  for (const Unknown& item : kUnknown) {
    unknown.push_back({{"what", item.what}, {"command", item.command}});
  }
  return {{"dry_run", report.dry_run},
          {"index_length", report.index_length},
          {"read",
           {{"narinfos", report.narinfos_read},
            {"links", report.links_read},
            {"shards", report.shards_read},
            {"releases", report.releases_read}}},
          {"database",
           {{"published", report.published},
            {"missing", report.missing},
            {"set_aside", report.set_aside},
            {"blocked", report.blocked},
            {"nars", report.nars},
            {"nar_bytes", report.bytes},
            {"shards", report.shards},
            {"shards_unclaimed", report.shards_unclaimed},
            {"releases_settled", report.releases_settled},
            {"releases_reopened", report.releases_reopened},
            {"unnamed_links", report.unnamed_links}}},
          {"findings", findings},
          {"unknown", unknown}};
}

void PrintRescan(const RescanReport& report, std::ostream& out) {
  const auto count = [](std::uint64_t number) { return cli::FormatCount(number); };
  out << fmt::format(
      "The index at length {} has {} sound narinfos, {} links, {} shards and {} releases.\n",
      report.index_length, count(report.narinfos_read), count(report.links_read),
      count(report.shards_read), count(report.releases_read));
  if (report.dry_run) {
    out << "Nothing was changed.\n";
  } else {
    out << fmt::format(
        "The database has {} published paths, {} missing, {} set aside and {} blocked; {} NARs, "
        "{}, in {} shards; {} settled releases{}.\n",
        count(report.published), count(report.missing), count(report.set_aside),
        count(report.blocked), count(report.nars), cli::FormatBytes(report.bytes),
        count(report.shards), count(report.releases_settled),
        report.releases_reopened == 0
            ? std::string()
            : fmt::format(" and {} that are walked again", count(report.releases_reopened)));
    if (report.shards_unclaimed > 0) {
      out << fmt::format(
          "{} shards wait for their workers to report them. Those that are gone for good: "
          "coordinator forget {}\n",
          count(report.shards_unclaimed), kUnclaimedWorker);
    }
    if (report.unnamed_links > 0) {
      out << fmt::format(
          "{} NARs are linked that no narinfo names: their time until they leave begins now.\n",
          count(report.unnamed_links));
    }
  }
  for (const RescanReport::Kind& kind : report.findings) {
    const KindText* const text = TextOf(kind.kind);
    out << fmt::format("{} {}:\n", count(kind.count), text == nullptr ? kind.kind : text->text);
    for (std::size_t i = 0; i < std::min(kShownFindings, kind.named.size()); ++i) {
      out << fmt::format("  {}: {}\n", kind.named[i].object, kind.named[i].reason);
    }
    if (kind.count > kShownFindings) {
      out << fmt::format("  ... --json names {}\n", count(kind.named.size()));
    }
  }
  out << "What no drive knows, and what says it again:\n";
  for (const Unknown& item : kUnknown) {
    out << fmt::format("  {}{}{}\n", item.what, *item.command == '\0' ? "" : ": ", item.command);
  }
  if (!report.dry_run) {
    out << fmt::format(
        "Start the coordinator, the workers, and the index worker once with --accept-length {} (if "
        "nobody has a longer index).\n",
        report.index_length);
  }
}

}  // namespace hnx::coordinator
