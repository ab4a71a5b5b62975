// The knobs of `coordinator serve`: each a flag, an environment variable and a configuration key of
// one name.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "access/access_options.h"
#include "coordinator/channel/channel_resolver.h"
#include "coordinator/rpc/worker_gateway.h"
#include "coordinator/store/pg_job_table.h"
#include "coordinator/store/pg_publish_store.h"
#include "coordinator/store/pg_retire_store.h"
#include "coordinator/walk/release_walk.h"
#include "http/http_client.h"

namespace hnx::coordinator {

struct ServeOptions {
  std::string data = "./coordinator-data";
  std::string listen = "127.0.0.1:7070";
  access::ServerAccess access;
  std::string database;  // empty: a private PostgreSQL below `data`
  bool no_migrate = false;
  bool core_dumps = false;
  std::vector<std::string> upstreams{"https://cache.nixos.org"};  // upstream_set.h
  std::vector<std::string> trusted_public_keys;
  bool accept_unsigned_content_addressed = false;
  std::uint64_t nar_size_max = 0;
  double max_missing = 0.05;
  std::string listen_http;
  http::HttpClientOptions http{};
  ChannelResolverOptions channel{};
  WalkOptions walk{};
  JobLimits jobs{};
  PublishLimits publish{};
  FailurePolicyOptions failures{};
  std::uint64_t download_rate_max = 0;
  HostLimits upstream_limits{};
  std::uint64_t connections_max = 16;
  std::vector<std::string> follow;
  RetireOptions retire{};
  std::uint32_t retire_days = 30;
  std::uint32_t audit_days = 365;  // 0: for ever
  // Of each shard, beside the writer's own.
  std::uint32_t copies = 0;
  // Bytes of NAR files that the mirror may hold; 0: no limit.
  std::uint64_t budget_bytes = 0;

  ServeOptions();
};

void AddServeOptions(CLI::App& command, ServeOptions& options);

struct MigrateOptions {
  std::string data = "./coordinator-data";
  std::string database;
  bool dry_run = false;
};

void AddMigrateOptions(CLI::App& command, MigrateOptions& options);

}  // namespace hnx::coordinator
