#include "walk_database.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <pqxx/pqxx>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "coordinator/database/private_postgres.h"
#include "coordinator/store/pg_migrations.h"

namespace hnx::test {
namespace {

// Lives as long as the process.
class SharedServer {
 public:
  SharedServer() {
    std::string path = "/tmp/hnx-walk-test-XXXXXX";
    HNX_CHECK(::mkdtemp(path.data()) != nullptr);
    directory_ = path;
    auto started = coordinator::PrivatePostgres::Start({.directory = directory_ / "postgres"});
    HNX_CHECK(started.has_value());
    postgres_ = *std::move(started);
  }
  ~SharedServer() {
    postgres_->Stop();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  SharedServer(const SharedServer&) = delete;
  SharedServer& operator=(const SharedServer&) = delete;

  std::string Uri(const std::string& database) const {
    const std::string& uri = postgres_->connection_string();
    return uri.substr(0, uri.find("dbname=")) + "dbname=" + database;
  }

  void Kill() const {
    const pid_t killed = postgres_->server_pid();
    HNX_CHECK(::kill(killed, SIGKILL) == 0);
    while (postgres_->server_pid() == killed) {  // the test's own time limit ends this
      std::this_thread::yield();
    }
  }

  static SharedServer& Instance() {
    static SharedServer server;
    return server;
  }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<coordinator::PrivatePostgres> postgres_;
};

void RunAlone(const std::string& statement) {
  pqxx::connection connection(SharedServer::Instance().Uri("postgres"));
  pqxx::nontransaction work(connection);
  work.exec(statement);
}

}  // namespace

coordinator::WalkOptions ImpatientWalk(std::size_t window_max, std::size_t batch) {
  using std::chrono::milliseconds;
  constexpr milliseconds kBase{1};
  constexpr milliseconds kCap{5};
  constexpr milliseconds kRetryAfterCap{20};
  coordinator::WalkOptions options;
  options.walk_window_max = window_max;
  options.walk_batch = batch;
  options.failures.refused = {.base = kBase, .cap = kCap};
  options.failures.transient = {
      .base = kBase, .cap = kCap, .retry_after_cap = kRetryAfterCap, .attempts_max = 4};
  options.upstream_pauses = {.base = kBase, .cap = kCap, .retry_after_cap = kRetryAfterCap};
  return options;
}

void WalkDatabase::KillServer() {
  SharedServer::Instance().Kill();
}

WalkDatabase::WalkDatabase() {
  static int count = 0;
  name_ = "walk_" + std::to_string(++count);
  RunAlone("CREATE DATABASE " + name_);
  uri_ = SharedServer::Instance().Uri(name_);
  const auto migrated = coordinator::Migrate(uri_);
  EXPECT_TRUE(migrated.has_value()) << migrated.error().ToString();
  pool_ = std::make_unique<coordinator::PgPool>(uri_);
  leader_ = std::make_unique<coordinator::PgLeader>(*pool_, "test");
  const auto leads = leader_->Renew();
  EXPECT_TRUE(leads && *leads);
  store_ = std::make_unique<coordinator::PgWalkStore>(*pool_, *leader_);
}

WalkDatabase::~WalkDatabase() {
  store_.reset();
  leader_.reset();
  pool_.reset();
  RunAlone("DROP DATABASE " + name_ + " WITH (FORCE)");
}

coordinator::ReleaseId WalkDatabase::AddRelease(const std::string& channel,
                                                const std::string& upstream_url, bool force,
                                                const std::vector<std::string>& match) {
  pqxx::connection connection(uri_);
  pqxx::work work(connection);
  work.exec("INSERT INTO upstream (url) VALUES (" + work.quote(upstream_url) +
            ") ON CONFLICT DO NOTHING");
  std::string array;
  for (const std::string& pattern : match) {
    array += (array.empty() ? "" : ",") + work.quote(pattern);
  }
  const auto row = work.exec1(
      "INSERT INTO release (channel, name, upstream_id, max_missing, force, match) "
      "SELECT " +
      work.quote(channel) + ", '', id, 0.1, " + (force ? "true" : "false") + ", ARRAY[" + array +
      "]::text[] FROM upstream WHERE url = " + work.quote(upstream_url) + " RETURNING id");
  work.commit();
  return row[0].as<coordinator::ReleaseId>();
}

std::vector<std::string> WalkDatabase::AskAll(const std::string& query) {
  pqxx::connection connection(uri_);
  pqxx::work work(connection);
  std::vector<std::string> answers;
  for (const auto& row : work.exec(query)) {
    answers.emplace_back(row[0].c_str());
  }
  work.commit();
  return answers;
}

coordinator::ReleaseId WalkDatabase::AddWalk(const std::string& upstream_url,
                                             const std::vector<nix::StorePath>& roots) {
  const coordinator::ReleaseId release = AddRelease("test", upstream_url);
  std::vector<coordinator::PathName> names;
  for (const nix::StorePath& root : roots) {
    names.push_back({std::string(root.hash_part()), std::string(root.name())});
  }
  EXPECT_TRUE(store_->AddRoots(release, names).has_value());
  EXPECT_TRUE(store_->BeginWalk(release).has_value());
  return release;
}

std::string WalkDatabase::Ask(const std::string& query) {
  const auto answers = AskAll(query);
  return answers.empty() ? std::string() : answers.front();
}

}  // namespace hnx::test
