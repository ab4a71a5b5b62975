// The private PostgreSQL in all the places where people run a coordinator. Each test runs the
// holder, a process that starts the database as a coordinator does, as some user in some folder.
#include "coordinator/database/private_postgres.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pqxx/pqxx>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/database/child_process.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr uid_t kNamelessUid = 48'611;

fs::path BinaryDirectory() {
  const char* directory = std::getenv("HNX_BIN_DIR");
  return directory == nullptr ? fs::read_symlink("/proc/self/exe").parent_path()
                              : fs::path(directory);
}

bool IsRoot() {
  return ::geteuid() == 0;
}

// A running holder; killed with its server when the test ends.
class Holder {
 public:
  // `prefix`: a command that starts it as somebody else.
  Holder(const fs::path& directory, const std::vector<std::string>& prefix = {}) {
    std::array<int, 2> pipe_fds{};
    EXPECT_EQ(::pipe2(pipe_fds.data(), O_CLOEXEC), 0);
    std::vector<std::string> command = prefix;
    // A copy that other users can reach, unlike a build directory.
    command.push_back(PublicCopy());
    command.push_back(directory.string());
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::dup2(pipe_fds[1], STDOUT_FILENO);
      std::vector<char*> argv;
      for (std::string& argument : command) {
        argv.push_back(argument.data());
      }
      argv.push_back(nullptr);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::setpgid(pid_, pid_);
    ::close(pipe_fds[1]);
    ReadAnnouncement(pipe_fds[0]);
    ::close(pipe_fds[0]);
  }
  ~Holder() {
    if (pid_ > 0) {
      End(SIGTERM);
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  bool started() const { return server_pid_ > 0; }
  pid_t server_pid() const { return server_pid_; }
  bool adopted() const { return adopted_; }
  const std::string& connection() const { return connection_; }

  // Signals the holder (or, like a terminal, its process group) and gives its exit status.
  int End(int signal, bool whole_group = false) {
    ::kill(whole_group ? -pid_ : pid_, signal);
    const int status = Reap(pid_);
    pid_ = 0;
    return status;
  }
  int Wait() {
    const int status = Reap(pid_);
    pid_ = 0;
    return status;
  }

 private:
  static std::string PublicCopy() {
    static const std::string path = [] {
      std::string directory = "/tmp/hnx-holder-XXXXXX";
      EXPECT_NE(::mkdtemp(directory.data()), nullptr);
      fs::permissions(directory, fs::perms(0755));
      const fs::path copy = fs::path(directory) / "private_postgres_holder";
      fs::copy_file(BinaryDirectory() / "private_postgres_holder", copy);
      fs::permissions(copy, fs::perms(0755));
      static const struct Cleaner {
        fs::path directory;
        ~Cleaner() {
          std::error_code error;
          fs::remove_all(directory, error);
        }
      } cleaner{directory};
      return copy.string();
    }();
    return path;
  }

  void ReadAnnouncement(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n') {
      line += c;
    }
    std::istringstream words(line);
    int adopted = 0;
    words >> server_pid_ >> adopted;
    adopted_ = adopted == 1;
    std::getline(words >> std::ws, connection_);
  }

  pid_t pid_ = 0;
  pid_t server_pid_ = 0;
  bool adopted_ = false;
  std::string connection_;
};

class PrivatePostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/hnx-pgtest-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    root_ = path;
    fs::permissions(root_, fs::perms(0755));
  }
  ~PrivatePostgresTest() override {
    std::error_code error;
    fs::remove_all(root_, error);
  }

  // Remembers a number in the database, and reads it back.
  static void Write(const std::string& connection, int number) {
    pqxx::connection database(connection);
    pqxx::work work(database);
    work.exec("CREATE TABLE IF NOT EXISTS kept (number int)");
    work.exec("INSERT INTO kept VALUES (" + std::to_string(number) + ")");
    work.commit();
  }
  static int Read(const std::string& connection) {
    pqxx::connection database(connection);
    pqxx::work work(database);
    return work.exec1("SELECT number FROM kept")[0].as<int>();
  }
  static std::string Setting(const std::string& connection, const std::string& name) {
    pqxx::connection database(connection);
    pqxx::work work(database);
    return work.exec1("SHOW " + name)[0].as<std::string>();
  }
  static bool IsRunning(pid_t pid) { return ProcessHandle::Open(pid).has_value(); }
  static bool Ended(pid_t pid) {
    auto process = ProcessHandle::Open(pid);
    return !process || process->WaitFor(milliseconds(20'000));
  }
  static uid_t OwnerOf(pid_t pid) {
    struct stat info {};
    EXPECT_EQ(::stat(("/proc/" + std::to_string(pid)).c_str(), &info), 0);
    return info.st_uid;
  }

  // The whole life: start, write, stop, start again, read.
  void LivesAndKeeps(const fs::path& directory, const std::vector<std::string>& prefix = {}) {
    pid_t server = 0;
    {
      Holder holder(directory, prefix);
      ASSERT_TRUE(holder.started());
      server = holder.server_pid();
      Write(holder.connection(), 7);
      EXPECT_EQ(holder.End(SIGTERM), 0);
    }
    EXPECT_FALSE(IsRunning(server));
    Holder again(directory, prefix);
    ASSERT_TRUE(again.started());
    EXPECT_FALSE(again.adopted());
    EXPECT_EQ(Read(again.connection()), 7);
  }

  fs::path root_;
};

TEST_F(PrivatePostgresTest, StartsKeepsDataAndStops) {
  LivesAndKeeps(root_ / "postgres");
}

TEST_F(PrivatePostgresTest, AsRootTheServerRunsAsAnotherUser) {
  if (!IsRoot()) {
    GTEST_SKIP() << "needs root";
  }
  Holder holder(root_ / "postgres");
  ASSERT_TRUE(holder.started());
  EXPECT_NE(OwnerOf(holder.server_pid()), 0U);
}

TEST_F(PrivatePostgresTest, WorksBelowAFolderThatTheServersUserCannotEnter) {
  if (!IsRoot()) {
    GTEST_SKIP() << "needs root";
  }
  fs::create_directory(root_ / "closed");
  fs::permissions(root_ / "closed", fs::perms(0700));
  LivesAndKeeps(root_ / "closed" / "data" / "postgres");
}

TEST_F(PrivatePostgresTest, WorksAsAnOrdinaryUser) {
  if (!IsRoot()) {
    GTEST_SKIP() << "needs root";
  }
  const fs::path home = root_ / "home";
  fs::create_directory(home);
  ASSERT_EQ(::chown(home.c_str(), 65'534, 65'534), 0);
  LivesAndKeeps(home / "postgres", {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
}

TEST_F(PrivatePostgresTest, WorksAsAUserWithoutAName) {
  if (!IsRoot()) {
    GTEST_SKIP() << "needs root";
  }
  const fs::path home = root_ / "home";
  fs::create_directory(home);
  ASSERT_EQ(::chown(home.c_str(), kNamelessUid, kNamelessUid), 0);
  const std::string uid = std::to_string(kNamelessUid);
  LivesAndKeeps(home / "postgres",
                {"setpriv", "--reuid=" + uid, "--regid=" + uid, "--clear-groups"});
}

TEST_F(PrivatePostgresTest, WorksAsAUserWithoutANameWhereUserNamespacesAreForbidden) {
  if (!IsRoot()) {
    GTEST_SKIP() << "needs root";
  }
  if (std::system("ls /usr/lib/*/libnss_wrapper.so >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs libnss-wrapper";
  }
  const fs::path home = root_ / "home";
  fs::create_directory(home);
  ASSERT_EQ(::chown(home.c_str(), kNamelessUid, kNamelessUid), 0);
  const std::string uid = std::to_string(kNamelessUid);
  // The kernel refuses user namespaces to whoever is in a chroot.
  fs::create_directory(root_ / "view");
  const std::string enter = "mount --rbind / \"$0\" && exec chroot --userspec=" + uid + ":" + uid +
                            " --groups= \"$0\" \"$@\"";
  LivesAndKeeps(home / "postgres", {"unshare", "--mount", "sh", "-c", enter, root_ / "view"});
}

TEST_F(PrivatePostgresTest, WorksWithADataPathOverAHundredCharacters) {
  fs::path directory = root_;
  while (directory.string().size() < 180) {
    directory /= "a_rather_long_folder_name_with_a_blank_ in_it";
  }
  LivesAndKeeps(directory / "postgres");
}

TEST_F(PrivatePostgresTest, AdoptsTheServerThatAKilledCoordinatorLeftRunning) {
  pid_t server = 0;
  {
    Holder killed(root_ / "postgres");
    ASSERT_TRUE(killed.started());
    server = killed.server_pid();
    Write(killed.connection(), 9);
    killed.End(SIGKILL);
  }
  ASSERT_TRUE(IsRunning(server));
  Holder heir(root_ / "postgres");
  ASSERT_TRUE(heir.started());
  EXPECT_TRUE(heir.adopted());
  EXPECT_EQ(heir.server_pid(), server);
  EXPECT_EQ(Read(heir.connection()), 9);
  EXPECT_EQ(heir.End(SIGTERM), 0);
  EXPECT_TRUE(Ended(server)) << "the heir stops what it adopted";
}

TEST_F(PrivatePostgresTest, ReplacesALeftServerThatLostItsSocket) {
  pid_t server = 0;
  {
    Holder killed(root_ / "postgres");
    ASSERT_TRUE(killed.started());
    server = killed.server_pid();
    Write(killed.connection(), 11);
    const std::size_t begin = killed.connection().find("host=") + 5;
    fs::remove_all(killed.connection().substr(begin, killed.connection().find(' ') - begin));
    killed.End(SIGKILL);
  }
  Holder heir(root_ / "postgres");
  ASSERT_TRUE(heir.started());
  EXPECT_FALSE(heir.adopted());
  EXPECT_TRUE(Ended(server));
  EXPECT_EQ(Read(heir.connection()), 11);
}

TEST_F(PrivatePostgresTest, RecoversWhenCoordinatorAndServerWereKilled) {
  {
    Holder killed(root_ / "postgres");
    ASSERT_TRUE(killed.started());
    Write(killed.connection(), 13);
    killed.End(SIGKILL);
    ::kill(killed.server_pid(), SIGKILL);
    ASSERT_TRUE(Ended(killed.server_pid()));
  }
  Holder heir(root_ / "postgres");
  ASSERT_TRUE(heir.started());
  EXPECT_EQ(Read(heir.connection()), 13);
}

TEST_F(PrivatePostgresTest, APidFileThatNamesAStrangerIsNoObstacle) {
  { Holder first(root_ / "postgres"); }
  std::ofstream(root_ / "postgres/cluster/postmaster.pid")
      << ::getpid() << "\n/elsewhere\n0\n5432\n/tmp\n\n\nready\n";
  Holder second(root_ / "postgres");
  ASSERT_TRUE(second.started());
  EXPECT_FALSE(second.adopted());
  EXPECT_NE(second.server_pid(), ::getpid());
}

TEST_F(PrivatePostgresTest, StartsTheServerAgainWhenItIsKilledAlone) {
  Holder holder(root_ / "postgres");
  ASSERT_TRUE(holder.started());
  Write(holder.connection(), 15);
  ::kill(holder.server_pid(), SIGKILL);
  ASSERT_TRUE(Ended(holder.server_pid()));
  int number = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (number == 0 && std::chrono::steady_clock::now() < deadline) {
    try {
      number = Read(holder.connection());
    } catch (const pqxx::broken_connection&) {
      (void)::poll(nullptr, 0, 50);
    }
  }
  EXPECT_EQ(number, 15);
}

TEST_F(PrivatePostgresTest, LeavesTheDistributionsClusterAlone) {
  // Stands for Debian's own cluster: another server on the usual port and in the usual place.
  Holder other(root_ / "debian");
  ASSERT_TRUE(other.started());
  Holder ours(root_ / "postgres");
  ASSERT_TRUE(ours.started());
  EXPECT_NE(ours.connection(), other.connection());
  EXPECT_EQ(Setting(ours.connection(), "port"), "5432");
  EXPECT_EQ(Setting(other.connection(), "port"), "5432");
  EXPECT_EQ(Setting(ours.connection(), "listen_addresses"), "");
}

TEST_F(PrivatePostgresTest, CtrlCReachesUsAndNotTheServer) {
  Holder holder(root_ / "postgres");
  ASSERT_TRUE(holder.started());
  EXPECT_NE(::getsid(holder.server_pid()), ::getsid(0));
  {
    // Still connected when Ctrl-C comes: the server goes when the holder says so.
    pqxx::connection open(holder.connection());
    EXPECT_EQ(holder.End(SIGINT, true), 0) << "a clean stop, not one that found the server gone";
  }
  EXPECT_TRUE(Ended(holder.server_pid()));
}

TEST_F(PrivatePostgresTest, RefusesASecondCoordinatorOnTheSameData) {
  Holder first(root_ / "postgres");
  ASSERT_TRUE(first.started());
  Holder second(root_ / "postgres");
  EXPECT_FALSE(second.started());
  EXPECT_EQ(second.Wait(), 1);
  Write(first.connection(), 1);
}

TEST_F(PrivatePostgresTest, WhatItAcknowledgesIsOnTheDisk) {
  Holder holder(root_ / "postgres");
  ASSERT_TRUE(holder.started());
  EXPECT_EQ(Setting(holder.connection(), "fsync"), "on");
  EXPECT_EQ(Setting(holder.connection(), "synchronous_commit"), "on");
  EXPECT_EQ(Setting(holder.connection(), "full_page_writes"), "on");
  // Debian's server is built with it.
  EXPECT_EQ(Setting(holder.connection(), "wal_compression"), "lz4");
}

TEST(PostgresBinariesTest, SaysWhatToInstallWhenThereAreNone) {
  const auto found = FindPostgresBinaries({"/nonexistent"}, 3);
  ASSERT_FALSE(found.has_value());
  EXPECT_NE(found.error().message.find("install postgresql-3"), std::string::npos);
}

}  // namespace
}  // namespace hnx::coordinator
