// What lies beside a mirror's key tells whether anything was ever published under it.
#include "worker/index_key.h"

#include <filesystem>

#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hnx::worker {
namespace {

namespace fs = std::filesystem;

constexpr int kNoMount = 77;

class IndexKeyTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / fmt::format("hnx-index-key-{}", ::getpid());
    fs::create_directories(root_);
    key_ = root_ / "mirror.key";
    ASSERT_TRUE(CreateIndexKeyFile(key_, {}).has_value());
  }
  void TearDown() override { fs::remove_all(root_); }

  // In a process of its own, as all of a process sees a mount. 0: the mark went well; 1: it did
  // not.
  int MarkInAReadOnlyMount() const {
    const pid_t child = ::fork();
    if (child == 0) {
      const bool mounted =
          ::unshare(CLONE_NEWNS) == 0 &&
          ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
          ::mount(root_.c_str(), root_.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
          ::mount("", root_.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
      ::_exit(!mounted ? kNoMount : MarkIndexKeyUsed(key_).has_value() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  fs::path root_;
  fs::path key_;
};

TEST_F(IndexKeyTest, IsUnusedUntilItIsMarkedAsUsed) {
  EXPECT_TRUE(IsUnusedIndexKey(key_));
  ASSERT_TRUE(MarkIndexKeyUsed(key_).has_value());
  EXPECT_FALSE(IsUnusedIndexKey(key_));
  EXPECT_TRUE(MarkIndexKeyUsed(key_).has_value());
}

TEST_F(IndexKeyTest, MayLieInAReadOnlyMountOnceItIsUsed) {
  const int unused = MarkInAReadOnlyMount();
  if (unused == kNoMount) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  EXPECT_EQ(unused, 1) << "a mark that stays lets a lost index pass for one that never was";
  ASSERT_TRUE(MarkIndexKeyUsed(key_).has_value());
  EXPECT_EQ(MarkInAReadOnlyMount(), 0);
}

TEST_F(IndexKeyTest, IsMadeForItsOwnerAloneAndNeverTwice) {
  EXPECT_EQ(fs::status(key_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  const auto again = CreateIndexKeyFile(key_, {});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
}

TEST_F(IndexKeyTest, IsNotReadWhenOthersMayReadIt) {
  for (const unsigned mode : {0600U, 0400U}) {
    fs::permissions(key_, static_cast<fs::perms>(mode));
    EXPECT_TRUE(ReadIndexKeyFile(key_).has_value()) << mode;
  }
  for (const unsigned mode : {0640U, 0660U, 0604U, 0644U, 0606U, 0610U, 0777U}) {
    fs::permissions(key_, static_cast<fs::perms>(mode));
    const auto key = ReadIndexKeyFile(key_);
    ASSERT_FALSE(key.has_value()) << mode;
    EXPECT_NE(key.error().message.find("chmod 600 " + key_.string()), std::string::npos) << mode;
  }
}

// What a Secret looks like in a pod with an fsGroup: root's, readable by the group.
TEST_F(IndexKeyTest, IsReadAsKubernetesMountsIt) {
  constexpr uid_t kNobody = 65'534;
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can play root and another user";
  }
  fs::permissions(key_, static_cast<fs::perms>(0440));
  ASSERT_EQ(::chown(key_.c_str(), 0, kNobody), 0);
  fs::permissions(root_, static_cast<fs::perms>(0755));
  EXPECT_FALSE(ReadIndexKeyFile(key_).has_value()) << "root needs no group";
  const pid_t child = ::fork();
  if (child == 0) {
    const bool nobody =
        ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
    ::_exit(nobody && ReadIndexKeyFile(key_).has_value() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace hnx::worker
