#include "coordinator/cli/scrub_text.h"

#include <fmt/format.h>

#include "cli/units.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

const char* KindName(pb::ScrubbedKind kind) {
  switch (kind) {
    case pb::SCRUBBED_KIND_SHARD:
      return "shard";
    case pb::SCRUBBED_KIND_COPY:
      return "copy";
    default:
      return "index";
  }
}

}  // namespace

std::string ScrubText(const pb::ScrubStatus& scrub) {
  std::string text = scrub.running() ? std::string("being scrubbed")
                     : scrub.whole_at_ms() == 0
                         ? std::string("never scrubbed")
                         : "last scrubbed " + FormatTime(scrub.whole_at_ms());
  if (scrub.waits() && !scrub.running()) {
    text += ", waits for its scrub";
  }
  if (scrub.running() || scrub.whole_at_ms() != 0) {
    text += fmt::format(": {} blocks, {} NARs", cli::FormatCount(scrub.blocks()),
                        cli::FormatCount(scrub.nars()));
  }
  if (scrub.damaged() > 0) {
    text += fmt::format(", {} damaged, {} repaired", cli::FormatCount(scrub.damaged()),
                        cli::FormatCount(scrub.repaired()));
  }
  if (scrub.given_up() > 0) {
    text += fmt::format(", {} GIVEN UP", cli::FormatCount(scrub.given_up()));
  }
  if (scrub.hindrance() == pb::SCRUB_HINDRANCE_OFF) {
    text += "; its worker scrubs nothing (--scrub-rate 0)";
  } else if (scrub.hindrance() == pb::SCRUB_HINDRANCE_SILENT) {
    text += "; its worker does not call";
  }
  return text;
}

nlohmann::ordered_json ToJson(const pb::ScrubStatus& scrub) {
  return {{"id_z32", scrub.id_z32()},       {"worker", scrub.worker_name()},
          {"kind", KindName(scrub.kind())}, {"waits", scrub.waits()},
          {"running", scrub.running()},     {"whole_at_ms", scrub.whole_at_ms()},
          {"blocks", scrub.blocks()},       {"nars", scrub.nars()},
          {"bytes", scrub.bytes()},         {"bytes_total", scrub.bytes_total()},
          {"damaged", scrub.damaged()},     {"repaired", scrub.repaired()},
          {"given_up", scrub.given_up()}};
}

}  // namespace hnx::coordinator
