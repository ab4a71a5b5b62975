#include "http/process_metrics.h"

#include <chrono>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "base/file.h"

namespace hnx::http {
namespace {

constexpr double kMebibyte = 1 << 20;

double ValueOf(const MetricsRegistry& metrics, const std::string& name) {
  const std::string text = "\n" + metrics.Serialize();
  const auto found = text.find("\n" + name + " ");
  if (found == std::string::npos) {
    ADD_FAILURE() << name << " is missing";
    return 0;
  }
  return std::stod(text.substr(found + name.size() + 2));
}

class ProcessMetricsTest : public ::testing::Test {
 protected:
  void SetUp() override { RegisterProcessMetrics(metrics_, "tester", "1.2.3"); }
  double ValueOf(const std::string& name) const { return http::ValueOf(metrics_, name); }

  MetricsRegistry metrics_;
};

TEST_F(ProcessMetricsTest, NamesTheProgramAndItsVersion) {
  EXPECT_EQ(ValueOf("hnx_build_info{program=\"tester\",version=\"1.2.3\"}"), 1);
}

TEST_F(ProcessMetricsTest, CountsOpenFiles) {
  const double before = ValueOf("process_open_fds");
  std::vector<UniqueFd> files;
  for (int i = 0; i < 10; ++i) {
    files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  EXPECT_EQ(ValueOf("process_open_fds"), before + 10);
  EXPECT_GT(ValueOf("process_max_fds"), before);
}

TEST_F(ProcessMetricsTest, TellsMappedMemoryFromMemoryInUse) {
  constexpr std::size_t kBytes = 256 << 20;
  const double mapped = ValueOf("process_virtual_memory_bytes");
  const double resident = ValueOf("process_resident_memory_bytes");
  void* const region =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(region, MAP_FAILED);
  EXPECT_GE(ValueOf("process_virtual_memory_bytes"), mapped + kBytes);
  EXPECT_LT(ValueOf("process_resident_memory_bytes"), resident + 128 * kMebibyte);
  ASSERT_EQ(::madvise(region, kBytes, MADV_POPULATE_WRITE), 0);
  EXPECT_GE(ValueOf("process_resident_memory_bytes"), resident + 128 * kMebibyte);
  ::munmap(region, kBytes);
}

TEST_F(ProcessMetricsTest, CountsCpuTime) {
  const double before = ValueOf("process_cpu_seconds_total");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (ValueOf("process_cpu_seconds_total") == before &&
         std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_GT(ValueOf("process_cpu_seconds_total"), before);
}

TEST_F(ProcessMetricsTest, KnowsWhenItBegan) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(ValueOf("process_start_time_seconds"), now + 2);
  EXPECT_GT(ValueOf("process_start_time_seconds"), now - 3600);
}

TEST(ProcessStatTest, TakesNamesWithBlanksAndParentheses) {
  const auto stat = ParseProcessStat(
      "7 (a) S 1 (b) R 1 7 7 0 -1 4194304 1 0 0 0 30 12 0 0 20 0 5 0 777 4096000 99 184467 1 1 "
      "0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->cpu_ticks, 42U);
  EXPECT_EQ(stat->start_ticks, 777U);
  EXPECT_EQ(stat->virtual_bytes, 4'096'000U);
  EXPECT_EQ(stat->resident_pages, 99U);
}

TEST(ProcessStatTest, RefusesWhatIsNoSuchLine) {
  for (const std::string line : {"", "7", "7 (a", "7 (a) S 1 7 7",
                                 "7 (a) R 1 7 7 0 -1 4 1 0 0 0 x 12 0 0 20 0 5 0 777 4 99 1",
                                 "7 (a) R 1 7 7 0 -1 4 1 0 0 0 30 12 0 0 20 0 5 0 777 4 -99 1"}) {
    EXPECT_FALSE(ParseProcessStat(line)) << line;
  }
}

}  // namespace
}  // namespace hnx::http
