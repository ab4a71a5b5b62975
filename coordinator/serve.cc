#include "coordinator/serve.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <random>

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/core_dumps.h"
#include "coordinator/channel/channel_follower.h"
#include "coordinator/channel/channel_resolver.h"
#include "coordinator/database/open_database.h"
#include "coordinator/maintenance/maintenance.h"
#include "coordinator/page/coordinator_metrics.h"
#include "coordinator/page/overview_service.h"
#include "coordinator/page/status_server.h"
#include "coordinator/rpc/coordinator_service.h"
#include "coordinator/rpc/method_roles.h"
#include "coordinator/rpc/worker_door.h"
#include "coordinator/rpc/worker_gateway.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_budget_store.h"
#include "coordinator/store/pg_elsewhere_store.h"
#include "coordinator/store/pg_hit_store.h"
#include "coordinator/store/pg_migrations.h"
#include "coordinator/store/pg_overview_store.h"
#include "coordinator/store/pg_rescan_store.h"
#include "coordinator/store/pg_walk_store.h"
#include "coordinator/upstream/upstream_set.h"
#include "coordinator/walk/breaker_probe.h"
#include "coordinator/walk/nar_failover.h"
#include "coordinator/walk/walker.h"
#include "http/redirect_rules.h"
#include "nix/cache_info.h"
#include "rpc/door.h"
#include "rpc/server.h"

namespace hnx::coordinator {
namespace {

constexpr std::chrono::milliseconds kStopGrace{3'000};
constexpr std::chrono::milliseconds kNarInfoHeadMax{20'000};
constexpr int kMirrorPriority = 35;  // before cache.nixos.org's 40

Result<void> BringUpToDate(const std::string& uri, bool no_migrate) {
  HNX_ASSIGN_OR_RETURN(const MigrationPlan plan, no_migrate ? PlanMigrations(uri) : Migrate(uri));
  if (no_migrate && !plan.pending.empty()) {
    return FailedPrecondition(
        fmt::format("the database lacks {}: run `coordinator migrate`", plan.pending.front()));
  }
  for (const std::string& migration : plan.pending) {
    Log("coordinator")->info("migrated the database: {}", migration);
  }
  return {};
}

std::string ReplicaName() {
  std::random_device random;
  return fmt::format("{}-{:08x}{:08x}", ::getpid(), random(), random());
}

// An upstream that hangs must not hold a walk up for long: others are asked meanwhile.
http::HttpClientOptions NarInfoClientOptions(http::HttpClientOptions options) {
  options.head_timeout = std::min(options.head_timeout, kNarInfoHeadMax);
  return options;
}

Result<WalkPolicies> MakeWalkPolicies(const ServeOptions& options, const UpstreamSet& upstreams,
                                      WalkStore& store) {
  std::vector<ConfiguredUpstream> configured;
  for (const Upstream& upstream : upstreams.upstreams()) {
    configured.push_back({.url = upstream.url, .public_keys = upstream.own_keys});
  }
  HNX_ASSIGN_OR_RETURN(const std::vector<UpstreamId> ids, store.ConfigureUpstreams(configured));
  const auto believing = [&](const nix::TrustedKeys& keys) {
    return WalkPolicy{
        .keys = keys,
        .trust = {.accept_unsigned_content_addressed = options.accept_unsigned_content_addressed},
        .nar_info = {.nar_size_max = options.nar_size_max}};
  };
  WalkPolicies policies{.upstreams = {}, .folders = believing(upstreams.all_keys())};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Upstream& upstream = upstreams.upstreams()[i];
    policies.upstreams.push_back(
        {.id = ids[i], .url = upstream.url, .policy = believing(upstream.keys)});
  }
  return policies;
}

// A release may belong to any of the upstreams.
ChannelResolverOptions ChannelOptions(ChannelResolverOptions options,
                                      const UpstreamSet& upstreams) {
  for (const Upstream& upstream : upstreams.upstreams()) {
    if (const auto parts = http::ParseHttpUrl(upstream.url)) {
      options.fetch.binary_cache_hosts.push_back(parts->host);
    }
  }
  return options;
}

Result<void> RunServer(const ServeOptions& options, cli::StopSignal& stop) {
  HNX_ASSIGN_OR_RETURN(const auto door,
                       rpc::Door::Make(options.access, options.listen, RolesOfMethod));
  HNX_ASSIGN_OR_RETURN(const UpstreamSet upstreams,
                       UpstreamSet::Parse(options.upstreams, options.trusted_public_keys));
  HNX_ASSIGN_OR_RETURN(const Database database, OpenDatabase(options.database, options.data));
  HNX_TRY(BringUpToDate(database.uri, options.no_migrate));

  const std::string upstream = upstreams.preferred_url();
  const IndexDescription description{
      .upstreams = upstreams.urls(),
      .public_keys = upstreams.all_public_keys(),
      .cache_info = nix::CacheInfo{.want_mass_query = true, .priority = kMirrorPriority}.Render()};

  CoordinatorMetrics metrics;
  PgPool pool(database.uri,
              {.connections_max = options.connections_max,
               .on_transaction = [&metrics](auto took) { metrics.ObserveTransaction(took); }});
  HNX_TRY(PgRescanStore::CheckFinished(pool));
  const std::string replica = ReplicaName();
  PgLeader leader(pool, replica);
  PgWalkStore walk_store(pool, leader, options.upstream_limits, "walk of " + replica);
  PgWalkStore failover_claims(pool, leader, options.upstream_limits, "failover of " + replica);
  PgElsewhereStore elsewhere_store(pool, leader);
  PgBreakerStore breaker_store(pool, leader, options.failures.breaker);
  PgReleaseStore release_store(pool);
  PgControlStore control_store(pool);
  PgReleaseCatalog release_catalog(pool, leader);
  PgChannelStore channel_store(pool, leader,
                               {.upstream = upstream, .max_missing = options.max_missing});
  RetireOptions retire = options.retire;
  retire.retire_after = std::chrono::hours(24) * options.retire_days;
  PgRetireStore retire_store(pool, leader, description, retire);
  PublishLimits publish = options.publish;
  publish.await_copies_ms = options.copies > 0 ? kAwaitCopiesMs : 0;
  const BudgetOptions budget{.bytes = options.budget_bytes, .replica = replica};
  PgBudgetStore budget_store(pool, leader, budget);
  PgHitStore hit_store(pool);
  PgInventoryStore inventory_store(pool);
  PgAudit audit(pool);
  PgPublishStore publish_store(pool, leader, description, publish);
  PgScrubStore scrub_store(pool);
  PgSynchronizer synchronizer(pool, options.jobs, options.failures, std::random_device{}(),
                              options.upstream_limits);
  synchronizer.OnNews([&metrics](const SynchronizeNews& news) { metrics.Count(news); });
  PgOverviewStore overview_store(pool, leader);
  OverviewService overview(overview_store);
  metrics.Show(overview);
  metrics.Show(pool);
  metrics.Show(leader);

  http::HttpClient client(options.http);
  http::HttpClient narinfo_client(NarInfoClientOptions(options.http));
  ChannelResolver resolver(client, walk_store, ChannelOptions(options.channel, upstreams));
  HNX_ASSIGN_OR_RETURN(const WalkPolicies policies,
                       MakeWalkPolicies(options, upstreams, walk_store));
  Walker walker(narinfo_client, walk_store, policies, options.walk);
  NarFailover failover(narinfo_client, failover_claims, elsewhere_store, leader, policies.upstreams,
                       options.walk.failures, options.walk.upstream_pauses);
  BreakerProbe breaker_probe(narinfo_client, breaker_store, leader);
  ChannelFollower follower(client, channel_store, options.channel.fetch.channel);
  Maintenance maintenance(pool, leader, description, publish, {}, retire, options.copies, budget,
                          std::chrono::hours(24) * options.audit_days);
  maintenance.OnLeasesExpired([&metrics](auto leases) { metrics.CountExpiredLeases(leases); });
  for (const std::string& channel : options.follow) {
    HNX_TRY(channel_store.FollowNamed(channel));
  }

  door->OnRefusal([&metrics](auto method, auto code) { metrics.CountRefusal(method, code); });
  WorkerDoor worker_door(*door, pool);
  WorkerGateway worker_gateway(
      synchronizer, publish_store, scrub_store, worker_door,
      {.lease = options.jobs.lease, .download_rate_max = options.download_rate_max});
  CoordinatorService coordinator_service(
      release_store, control_store, *door,
      {.catalog = release_catalog,
       .channels = channel_store,
       .retirement = retire_store,
       .budget = budget_store,
       .hits = hit_store,
       .inventory = inventory_store,
       .scrubs = scrub_store,
       .audit = audit},
      {.upstream = upstream, .max_missing = options.max_missing});
  HNX_ASSIGN_OR_RETURN(const auto server,
                       rpc::Server::Start(
                           options.listen, {&worker_gateway, &coordinator_service},
                           [&metrics](auto method, auto code, auto took) {
                             metrics.ObserveCall(method, code, took);
                           },
                           door));
  std::unique_ptr<StatusServer> status;
  if (!options.listen_http.empty()) {
    HNX_ASSIGN_OR_RETURN(status, StatusServer::Start(options.listen_http, overview, overview_store,
                                                     metrics.registry()));
    overview.Start();
    Log("coordinator")->info("status page on http://{}/", status->address());
  }

  maintenance.Start();
  follower.Start();
  resolver.Start();
  walker.Start();
  failover.Start();
  breaker_probe.Start();
  Log("coordinator")->info("serves workers and clients on port {}", server->port());

  stop.Wait();
  Log("coordinator")->info("stops");
  if (status != nullptr) {
    status->Stop();
  }
  overview.Stop();
  coordinator_service.StopWatching();
  server->Stop(kStopGrace);
  follower.Stop();
  resolver.Stop();
  walker.Stop();
  failover.Stop();
  breaker_probe.Stop();
  maintenance.Stop();
  return {};
}

cli::ExitCode Report(const Result<void>& outcome, std::string_view command) {
  if (outcome.has_value()) {
    return cli::ExitCode::kOk;
  }
  fmt::print(stderr, "coordinator {}: {}\n", command, outcome.error().message);
  return cli::ExitCodeOf(outcome.error());
}

Result<void> MigrateDatabase(const MigrateOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Database database, OpenDatabase(options.database, options.data));
  HNX_ASSIGN_OR_RETURN(const MigrationPlan plan,
                       options.dry_run ? PlanMigrations(database.uri) : Migrate(database.uri));
  if (plan.pending.empty()) {
    fmt::print("The schema is up to date (version {}).\n", plan.newest);
  }
  for (const std::string& migration : plan.pending) {
    fmt::print("{} {}\n", options.dry_run ? "would apply" : "applied", migration);
  }
  return {};
}

}  // namespace

cli::ExitCode Serve(const ServeOptions& options, cli::StopSignal& stop) {
  if (!options.core_dumps) {
    cli::ForbidCoreDumps();
  }
  return Report(RunServer(options, stop), "serve");
}

cli::ExitCode RunMigrate(const MigrateOptions& options) {
  return Report(MigrateDatabase(options), "migrate");
}

}  // namespace hnx::coordinator
