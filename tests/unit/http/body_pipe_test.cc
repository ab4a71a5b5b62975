// The pipes of a server share a bound.
#include "http/body_pipe.h"

#include <vector>

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

TEST(BodyPipeTest, ManyPipesTakeLittleMoreThanTheirBound) {
  const auto budget = std::make_shared<BodyPipeBudget>();
  std::vector<std::unique_ptr<BodyPipe>> pipes;
  constexpr std::size_t kPipes = 256;
  for (std::size_t i = 0; i < kPipes; ++i) {
    pipes.push_back(std::make_unique<BodyPipe>(budget));
    ASSERT_TRUE(pipes.back()->Write(AsBytes("x")));
  }
  EXPECT_EQ(budget->given(), kBodyPipesBytesMax);
  pipes.clear();
  EXPECT_EQ(budget->given(), 0U);
}

TEST(BodyPipeTest, APipeWithoutBytesTakesNothing) {
  const auto budget = std::make_shared<BodyPipeBudget>();
  const BodyPipe pipe(budget);
  EXPECT_EQ(budget->given(), 0U);
}

TEST(BodyPipeTest, TellsHowMuchWasWritten) {
  BodyPipe pipe(100);
  ASSERT_TRUE(pipe.Write(AsBytes("12345")));
  ASSERT_TRUE(pipe.Write(AsBytes("678")));
  std::vector<std::byte> out(4);
  EXPECT_EQ(pipe.Read(out, [] {}).size, 4U);
  EXPECT_EQ(pipe.written(), 8U);
}

}  // namespace
}  // namespace hnx::http
