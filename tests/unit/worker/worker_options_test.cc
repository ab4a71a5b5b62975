#include "worker/worker_options.h"

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

TEST(WorkerOptionsTest, TheRoleIsMirrorUnlessSaidOtherwise) {
  WorkerOptions options;
  ASSERT_TRUE(Complete(&options).has_value());
  EXPECT_TRUE(options.role_mirror);
  EXPECT_FALSE(options.role_index);
  EXPECT_GE(options.decode_threads, 1U);
  EXPECT_FALSE(options.name.empty());
}

TEST(WorkerOptionsTest, RolesComeWithCommasOrOneByOne) {
  WorkerOptions options;
  options.roles = {"mirror,index"};
  options.index_key_file = "k";
  ASSERT_TRUE(Complete(&options).has_value());
  EXPECT_TRUE(options.role_mirror && options.role_index);
}

TEST(WorkerOptionsTest, RefusesWhatDoesNotFitTogether) {
  const auto refused = [](auto change) {
    WorkerOptions options;
    change(options);
    return !Complete(&options).has_value();
  };
  EXPECT_TRUE(refused([](auto& o) { o.roles = {"index"}; }));
  EXPECT_TRUE(refused([](auto& o) { o.roles = {"gateway"}; }));
  EXPECT_TRUE(refused([](auto& o) { o.roles = {"mirror,"}; }));
  EXPECT_TRUE(refused([](auto& o) { o.coordinators = {"nowhere"}; }));
  EXPECT_TRUE(refused([](auto& o) { o.memory_max = 1; }));
  EXPECT_TRUE(refused([](auto& o) { o.transfers_max = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.decode_threads = 100'000; }));
  EXPECT_TRUE(refused([](auto& o) { o.shard_size_max = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.index_holders = {"gateway:4711"}; })) << "no index here";
  EXPECT_TRUE(refused([](auto& o) { o.accept_length = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.index_from_log = true; }));
  EXPECT_TRUE(refused([](auto& o) { o.grace = std::chrono::milliseconds(10); }));
}

}  // namespace
}  // namespace hnx::worker
