#include "coordinator/cli/why_text.h"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;

class Lines {
 public:
  explicit Lines(std::string& out) : out_(out) {}
  // "  name     text"; nothing for an empty text.
  void Add(std::string_view name, const std::string& text) {
    if (!text.empty()) {
      fmt::format_to(std::back_inserter(out_), "  {:<12}{}\n", name, cli::Printable(text));
    }
  }

 private:
  std::string& out_;
};

void AddNar(const pb::WhyResponse& why, Lines& lines) {
  if (!why.has_nar()) {
    return;
  }
  const pb::WhyNar& nar = why.nar();
  lines.Add("NAR", why.nar_url());
  lines.Add("", fmt::format("{}, {} of {}, {}", nar.state(), cli::FormatBytes(nar.file_size()),
                            nar.compression(), cli::FormatBytes(nar.nar_size()) + " unpacked"));
  lines.Add("NarHash", nar.nar_hash());
  lines.Add("FileHash",
            nar.file_hash() + (nar.file_hash_drift() ? " (the file has another one)" : ""));
  lines.Add(
      "attempts",
      fmt::format(
          "given to workers {} times, {} failures that count{}{}", nar.leases(), nar.attempts(),
          nar.reason().empty() ? ""
                               : fmt::format("; the last: {} ({})", nar.reason(), nar.message()),
          nar.next_try_ms() == 0 ? ""
                                 : fmt::format("; next at {} UTC", FormatTime(nar.next_try_ms()))));
  if (!nar.lost_shard_z32().empty()) {
    lines.Add("lost",
              fmt::format("with shard {} of worker {}", nar.lost_shard_z32(), nar.lost_worker()));
  }
  if (nar.unlisted_at_ms() != 0) {
    lines.Add("unlisted",
              fmt::format("no narinfo names it since {} UTC", FormatTime(nar.unlisted_at_ms())));
  }
}

void AddLease(const pb::WhyResponse& why, Lines& lines) {
  if (!why.has_lease()) {
    return;
  }
  const pb::WhyLease& lease = why.lease();
  lines.Add("lease",
            fmt::format("job {}, attempt {}, worker {} ({}), from {} until {} UTC", lease.job_id(),
                        lease.attempt(), lease.worker_name(), lease.worker_id(),
                        FormatTime(lease.leased_at_ms()), FormatTime(lease.expires_at_ms())));
}

void AddPlace(const pb::WhyResponse& why, Lines& lines) {
  if (!why.has_place()) {
    return;
  }
  const pb::WhyPlace& place = why.place();
  lines.Add("shard", fmt::format("{}{}{}", place.shard_z32(), place.sealed() ? ", sealed" : "",
                                 place.lost() ? ", lost" : ""));
  lines.Add("", fmt::format("{} entries' blocks, {} content blocks, {} content bytes",
                            place.shard_length(), place.content_length(), place.content_bytes()));
  lines.Add("worker", fmt::format("{} ({}){}", place.worker_name(), place.worker_id(),
                                  place.worker_alive() ? "" : ", away"));
  lines.Add("blocks", fmt::format("{} from block {}, {} bytes from byte {}", place.block_length(),
                                  place.block_offset(), place.byte_length(), place.byte_offset()));
  for (const std::string& worker : place.copies()) {
    lines.Add("copy", fmt::format("worker {} holds it too", worker));
  }
  for (const std::string& worker : place.copies_to_come()) {
    lines.Add("copy", fmt::format("worker {} is to hold it", worker));
  }
}

void AddPublication(const pb::WhyPublication& publication, Lines& lines) {
  if (publication.batch() == 0) {
    return;
  }
  lines.Add("published",
            publication.applied_at_ms() == 0
                ? fmt::format("batch {}; the index drive {} has come to {}", publication.batch(),
                              publication.index_z32(), publication.published_batch())
                : fmt::format("batch {}, {} UTC, index drive {} at length {}", publication.batch(),
                              FormatTime(publication.applied_at_ms()), publication.index_z32(),
                              publication.index_length()));
}

void AddWalk(const pb::WhyResponse& why, Lines& lines) {
  if (!why.has_walk()) {
    return;
  }
  const pb::WhyWalk& walk = why.walk();
  lines.Add("walk",
            fmt::format("release {}, {} failed attempts{}", walk.release_id(), walk.attempts(),
                        walk.next_try_ms() == 0
                            ? ""
                            : fmt::format("; next at {} UTC", FormatTime(walk.next_try_ms()))));
  for (const std::string& upstream : walk.ruled_out()) {
    lines.Add("", fmt::format("{} need not be asked again", upstream));
  }
}

void AddOthers(const pb::WhyResponse& why, Lines& lines) {
  for (const std::string& path : why.waiting_for()) {
    lines.Add("waits for", path);
  }
  if (why.waiting_for_count() > static_cast<std::uint64_t>(why.waiting_for_size())) {
    lines.Add("",
              fmt::format("and {} more", why.waiting_for_count() -
                                             static_cast<std::uint64_t>(why.waiting_for_size())));
  }
  for (const pb::WhyRelease& release : why.needed_by()) {
    lines.Add("in", fmt::format("release {} {}/{}: {}{}{}", release.id(), release.channel(),
                                release.name(), release.state(), release.paused() ? ", paused" : "",
                                release.root() ? ", listed" : ", needed by others"));
  }
  if (why.needed_by_count() > static_cast<std::uint64_t>(why.needed_by_size())) {
    lines.Add("", fmt::format("and {} more", why.needed_by_count() -
                                                 static_cast<std::uint64_t>(why.needed_by_size())));
  }
}

}  // namespace

std::string WhyText(const pb::WhyResponse& why) {
  std::string out = cli::Printable(why.store_path()) + "\n";
  Lines lines(out);
  lines.Add(why.state(), why.explanation());
  lines.Add("to do", why.advice());
  lines.Add("since", FormatTime(why.since_ms()) + " UTC");
  lines.Add("upstream", why.upstream());
  AddNar(why, lines);
  AddLease(why, lines);
  AddPlace(why, lines);
  AddPublication(why.publication(), lines);
  AddWalk(why, lines);
  AddOthers(why, lines);
  for (const pb::WhyEvent& event : why.history()) {
    fmt::format_to(std::back_inserter(out), "  {}  {}\n", FormatTime(event.at_ms()),
                   cli::Printable(event.what()));
  }
  return out;
}

}  // namespace hnx::coordinator
