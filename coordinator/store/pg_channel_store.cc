#include "coordinator/store/pg_channel_store.h"

#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/domain/follow_policy.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_release_store.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

std::vector<ChannelView> ReadChannels(PgTransaction& transaction, const std::string& channel) {
  std::vector<ChannelView> channels;
  for (const pqxx::row& row : transaction.Exec(sql::kListChannels, channel, kChannelsMax)) {
    channels.push_back({.name = row["name"].as<std::string>(),
                        .followed = row["followed"].as<bool>(),
                        .keep_releases = row["keep_releases"].as<std::uint32_t>(),
                        .keep_days = row["keep_days"].as<std::uint32_t>(),
                        .interval_ms = row["interval_ms"].as<std::int64_t>(),
                        .debounce_ms = row["debounce_ms"].as<std::int64_t>(),
                        .latest = row["latest"].as<std::string>(),
                        .latest_settled_at_ms = row["latest_settled_at_ms"].as<std::int64_t>(),
                        .seen = row["seen_name"].as<std::string>(),
                        .seen_at_ms = row["seen_at_ms"].as<std::int64_t>(),
                        .polled_at_ms = row["polled_at_ms"].as<std::int64_t>(),
                        .error = row["error"].as<std::string>()});
  }
  return channels;
}

Result<ChannelView> ReadChannel(PgTransaction& transaction, const std::string& channel) {
  std::vector<ChannelView> channels = ReadChannels(transaction, channel);
  if (channels.empty()) {
    return NotFound(fmt::format("{} is neither followed nor has it a retention", channel));
  }
  return std::move(channels.front());
}

// Negative: as it was; 0: no such rule.
std::string TellKept(int releases, int days) {
  const auto tell = [](int count, const char* what) {
    return count < 0    ? fmt::format("{} kept as before", what)
           : count == 0 ? fmt::format("no rule for {}", what)
                        : fmt::format("{} {} kept", count, what);
  };
  return tell(releases, "releases") + ", " + tell(days, "days");
}

}  // namespace

Result<ChannelView> PgChannelStore::Follow(const FollowSettings& settings, const Caller& caller) {
  return RunTransaction(
      pool_, "follow a channel", [&](PgTransaction& transaction) -> Result<ChannelView> {
        transaction.Exec(sql::kFollowChannel, settings.channel, TextArray(settings.match),
                         TextArray(settings.exclude), settings.max_missing, settings.priority,
                         static_cast<std::int64_t>(settings.interval.count()),
                         static_cast<std::int64_t>(settings.debounce.count()),
                         settings.keep_releases, settings.keep_days);
        RecordAudit(
            transaction, caller, "follow", "channel " + settings.channel,
            fmt::format("polled every {} ms, priority {}, {}", settings.interval.count(),
                        settings.priority, TellKept(settings.keep_releases, settings.keep_days)));
        return ReadChannel(transaction, settings.channel);
      });
}

Result<void> PgChannelStore::FollowNamed(const std::string& channel) {
  if (!mirror::IsSafeName(channel)) {
    return InvalidArgument(fmt::format("\"{}\" cannot be the name of a channel", channel));
  }
  return RunTransaction(pool_, "follow a channel", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kFollowNamedChannel, channel);
    return {};
  });
}

Result<ChannelView> PgChannelStore::Unfollow(const std::string& channel, const Caller& caller) {
  return RunTransaction(
      pool_, "unfollow a channel", [&](PgTransaction& transaction) -> Result<ChannelView> {
        if (transaction.Exec(sql::kUnfollowChannel, channel).affected_rows() == 0) {
          return NotFound(fmt::format("{} is not followed", channel));
        }
        RecordAudit(transaction, caller, "unfollow", "channel " + channel, "it is polled no more");
        return ReadChannel(transaction, channel);
      });
}

Result<ChannelView> PgChannelStore::SetRetention(const std::string& channel, int keep_releases,
                                                 int keep_days, const Caller& caller) {
  return RunTransaction(pool_, "set a retention",
                        [&](PgTransaction& transaction) -> Result<ChannelView> {
                          transaction.Exec(sql::kSetRetention, channel, keep_releases, keep_days);
                          RecordAudit(transaction, caller, "retention", "channel " + channel,
                                      TellKept(keep_releases, keep_days));
                          return ReadChannel(transaction, channel);
                        });
}

Result<std::vector<ChannelView>> PgChannelStore::List() {
  return RunTransaction(pool_, "list channels",
                        [&](PgTransaction& transaction) -> Result<std::vector<ChannelView>> {
                          return ReadChannels(transaction, "");
                        });
}

Result<std::optional<ChannelToPoll>> PgChannelStore::NextChannelToPoll() {
  if (!leader_.leads()) {
    return std::optional<ChannelToPoll>();
  }
  return RunTransaction(pool_, "find a channel to poll",
                        [&](PgTransaction& transaction) -> Result<std::optional<ChannelToPoll>> {
                          const auto row = transaction.MaybeRow(sql::kNextChannelToPoll);
                          if (!row) {
                            return std::optional<ChannelToPoll>();
                          }
                          return std::optional(ChannelToPoll{
                              .name = (*row)["name"].as<std::string>(),
                              .etag = (*row)["etag"].as<std::string>(),
                              .seen_url = (*row)["seen_url"].as<std::string>(),
                              .failures = (*row)["failures"].as<int>(),
                              .interval = milliseconds((*row)["interval_ms"].as<std::int64_t>())});
                        });
}

// Noted, decided and submitted one after the other: what a crash leaves out is done by the next
// poll, and a submission that is there already is found.
Result<std::optional<milliseconds>> PgChannelStore::Saw(const std::string& channel,
                                                        const ChannelSight& sight) {
  NewRelease release{
      .channel = channel, .upstream_url = defaults_.upstream, .match = {}, .exclude = {}};
  std::string seen_name;
  FollowFacts facts;
  auto step = RunTransaction(
      pool_, "note where a channel points", [&](PgTransaction& transaction) -> Result<FollowStep> {
        HNX_TRY(leader_.Lock(transaction));
        transaction.Exec(sql::kSawChannel, channel, sight.url, sight.name, sight.etag);
        const auto row = transaction.MaybeRow(sql::kFollowFacts, channel);
        if (!row || !(*row)["followed"].as<bool>()) {
          return FollowStep::kNothing;
        }
        release.match = ReadTextArray((*row)["match"]);
        release.exclude = ReadTextArray((*row)["exclude"]);
        const auto max_missing = (*row)["max_missing"].as<double>();
        release.max_missing = max_missing < 0 ? defaults_.max_missing : max_missing;
        release.priority = (*row)["priority"].as<int>();
        seen_name = (*row)["seen_name"].as<std::string>();
        facts = {.release_known = (*row)["release_known"].as<bool>(),
                 .pinning = (*row)["pinning"].as<bool>(),
                 .seen_for = milliseconds((*row)["seen_for_ms"].as<std::int64_t>()),
                 .debounce = milliseconds((*row)["debounce_ms"].as<std::int64_t>()),
                 .submitted_for = milliseconds((*row)["submitted_for_ms"].as<std::int64_t>())};
        return DecideFollow(facts);
      });
  if (!step.has_value()) {
    return step.error();
  }
  if (*step == FollowStep::kWait) {
    return std::optional(facts.debounce - facts.seen_for);
  }
  if (*step == FollowStep::kNothing) {
    return std::optional<milliseconds>();
  }
  HNX_ASSIGN_OR_RETURN(const Submitted submitted, PgReleaseStore(pool_).Submit(release));
  const auto noted =
      RunTransaction(pool_, "note a submission", [&](PgTransaction& transaction) -> Result<void> {
        HNX_TRY(leader_.Lock(transaction));
        transaction.Exec(sql::kMarkChannelSubmitted, channel);
        return {};
      });
  HNX_TRY(noted);
  Log("follow")->info("{} points to {}: release {} {}", channel, seen_name, submitted.release,
                      submitted.existed ? "is at work already" : "is submitted");
  return std::optional<milliseconds>();
}

Result<void> PgChannelStore::Failed(const std::string& channel, const std::string& why) {
  return RunTransaction(pool_, "note that a channel cannot be polled",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          transaction.Exec(sql::kChannelFailed, channel, why);
                          return {};
                        });
}

Result<void> PgChannelStore::PollAgainIn(const std::string& channel, milliseconds time) {
  return RunTransaction(
      pool_, "say when a channel is polled again", [&](PgTransaction& transaction) -> Result<void> {
        HNX_TRY(leader_.Lock(transaction));
        transaction.Exec(sql::kDelayChannel, channel, static_cast<std::int64_t>(time.count()));
        return {};
      });
}

}  // namespace hnx::coordinator
