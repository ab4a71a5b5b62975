#include "coordinator/serve_options.h"

#include "cli/core_dumps.h"
#include "cli/option.h"
#include "nix/nar_info.h"
#include "nix/trusted_keys.h"

namespace hnx::coordinator {

ServeOptions::ServeOptions()
    : trusted_public_keys{std::string(nix::kNixosCacheKey)},
      nar_size_max(nix::kNarSizeMaxDefault) {}

void AddServeOptions(CLI::App& command, ServeOptions& options) {
  cli::AddOption(command, "--data", options.data, "Directory for what this program keeps");
  cli::AddOption(command, "--listen", options.listen,
                 "Address for workers and clients; port 0 takes a free one");
  access::AddServerAccess(command, options.access);
  cli::AddOption(
      command, "--database", options.database,
      "PostgreSQL to use (postgresql://...); without it a private one runs below --data");
  cli::AddFlag(command, "--no-migrate", options.no_migrate,
               "Don't bring the database's schema up to date; fail when it is not");
  cli::AddOption(command, "--upstream", options.upstreams,
                 "Binary cache to mirror (default https://cache.nixos.org). May be given several "
                 "times: what the first one lacks is "
                 "taken from the next. Keys of its own and another order, as in a Nix store URL: "
                 "'https://cache.example.org?trusted-public-keys=NAME:BASE64&priority=30' (lower "
                 "ones first)");
  cli::AddOption(command, "--trusted-public-keys", options.trusted_public_keys,
                 "Keys whose signatures are believed of every upstream, NAME:BASE64; may be given "
                 "several times");
  cli::AddFlag(command, "--accept-unsigned-content-addressed",
               options.accept_unsigned_content_addressed,
               "Believe content-addressed paths without a signature, by their content address");
  cli::AddOption(command, "--channel-url", options.channel.fetch.channel.channel_url,
                 "Server of channels");
  cli::AddOption(
      command, "--releases-host", options.channel.fetch.channel.releases_host,
      "Host that a channel's redirect may lead to, HOST:PORT for another port than usual; empty: "
      "releases.nixos.org for channels.nixos.org, else the channel server's own host");
  cli::AddFlag(command, "--release-images", options.channel.fetch.release_images,
               "Mirror ISO and other disk images of releases too");
  cli::AddOption(command, "--binary-cache-hosts", options.channel.fetch.binary_cache_hosts,
                 "Hosts that a release's binary-cache-url may name besides the upstream's own");
  cli::AddOption(command, "--proxy", options.http.proxy,
                 "Proxy, http://HOST:PORT or socks5h://HOST:PORT; empty: the usual environment "
                 "variables");
  cli::AddOption(command, "--ca-file", options.http.ca_file,
                 "PEM bundle of certificate authorities instead of the system's");
  cli::AddOption(command, "--connections-per-host-max", options.http.connections_per_host_max,
                 "Connections to one host");
  cli::AddFlag(command, "--redirect-to-private-addresses",
               options.http.redirect_to_private_addresses,
               "Follow redirects to loopback, private and link-local addresses");
  cli::AddOption(command, "--max-missing", options.max_missing,
                 "`latest` of a channel moves to a release when at most this share of its paths is "
                 "unpublished");
  cli::AddSize(command, "--nar-size-max", options.nar_size_max, "Refuse larger NARs");
  cli::AddDuration(command, "--lease", options.jobs.lease,
                   "How long a worker may be silent before its jobs go to others");
  cli::AddSize(command, "--job-bytes", options.jobs.job_bytes,
               "NAR files in one job, together; a larger one goes alone");
  cli::AddOption(command, "--job-nars-max", options.jobs.job_nars_max, "NAR files in one job");
  cli::AddOption(command, "--worker-jobs-max", options.jobs.worker_jobs_max,
                 "Jobs that one worker holds");
  cli::AddOption(command, "--batch-paths-max", options.publish.batch_paths_max,
                 "Paths in one publish batch");
  cli::AddOption(command, "--attempts-max", options.failures.transient.attempts_max,
                 "Attempts at a NAR before a passing failure sets it aside");
  cli::AddSize(command, "--download-rate-max", options.download_rate_max,
               "Bytes a second that each worker may download; 0: no limit");
  cli::AddSize(command, "--upstream-rate-max", options.upstream_limits.bytes_per_second,
               "Bytes a second that all workers and the walk together may take from one upstream "
               "host; the same for all coordinators; 0: no limit");
  cli::AddOption(command, "--upstream-requests-max", options.upstream_limits.requests_per_second,
                 "Requests a second that they together may send to one upstream host; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  cli::AddOption(command, "--upstream-transfers-max", options.upstream_limits.transfers_max,
                 "Transfers that they together may have at once with one upstream host; 0: no "
                 "limit");
  cli::AddOption(command, "--walk-window-max", options.walk.walk_window_max,
                 "Paths whose narinfos are on their way at once");
  cli::AddOption(command, "--verify-threads", options.walk.verify_threads,
                 "Threads that check signatures during a walk");
  cli::AddOption(command, "--database-connections-max", options.connections_max,
                 "Connections to PostgreSQL");
  cli::AddOption(command, "--follow", options.follow,
                 "Follow this channel, as `coordinator follow` does; again for more");
  cli::AddOption(command, "--retire-days", options.retire_days,
                 "Days that a NAR stays after the last narinfo that names it has left: clients may "
                 "know it");
  cli::AddOption(command, "--audit-days", options.audit_days,
                 "Days for which `coordinator audit` keeps who decided what; 0: for ever");
  cli::AddDuration(command, "--gc-interval", options.retire.run_interval,
                   "How often what is beyond retention begins to leave by itself");
  cli::AddOption(command, "--copies", options.copies,
                 "Read-only copies of each shard on so many workers beside its writer, all in "
                 "different failure domains; nothing is published before one of them holds it");
  cli::AddSize(
      command, "--budget", options.budget_bytes,
      "Hold no more than so many bytes of NARs: the most valuable part, closed under "
      "References, by pins, age, and what gateways with --coordinator say is asked for; the "
      "same for all coordinators; 0: everything");
  cli::AddOption(command, "--listen-http", options.listen_http,
                 "HOST:PORT for the status page, /status.json, /metrics, /healthz and /readyz, for "
                 "everybody who reaches it; empty: none");
  cli::AddOption(command, "--listen-metrics", options.listen_http,
                 "What --listen-http was called when it had /metrics only")
      ->group("");
  cli::AddCoreDumps(command, options.core_dumps,
                    "passwords of the database, tokens, and the key of --tls-key");
}

void AddMigrateOptions(CLI::App& command, MigrateOptions& options) {
  cli::AddOption(command, "--data", options.data, "Directory with the private database");
  cli::AddOption(command, "--database", options.database,
                 "PostgreSQL to migrate (postgresql://...); without it the private one below "
                 "--data");
  cli::AddFlag(command, "--dry-run", options.dry_run, "Only say what would be done");
}

}  // namespace hnx::coordinator
