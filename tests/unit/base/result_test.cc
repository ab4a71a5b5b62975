#include "base/result.h"

#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

namespace hnx {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) {
    return InvalidArgument("odd");
  }
  return n / 2;
}

Result<int> Quarter(int n) {
  HNX_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

Result<void> CheckEven(int n) {
  HNX_TRY(Half(n));
  return {};
}

TEST(ResultTest, TheFirstFailureIsTheOutcome) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message, "odd");
  EXPECT_FALSE(CheckEven(3).has_value());
  EXPECT_TRUE(CheckEven(4).has_value());
}

TEST(ResultTest, AnnotationsReadFromTheOutsideIn) {
  const Error error = Error(InvalidArgument("odd")).Annotate("halve 3").Annotate("plan");
  EXPECT_EQ(error.ToString(), "INVALID_ARGUMENT: plan: halve 3: odd");
}

TEST(ResultTest, ErrnoKeepsTheDifferenceBetweenAbsentAndFull) {
  errno = ENOENT;
  EXPECT_EQ(Errno("open", "f").code, ErrorCode::kNotFound);
  errno = ENOSPC;
  EXPECT_EQ(Errno("write", "f").code, ErrorCode::kResourceExhausted);
}

TEST(ResultTest, CarriesTypesThatOnlyMove) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(1); };
  const auto use = [&]() -> Result<int> {
    HNX_ASSIGN_OR_RETURN(const auto pointer, make());
    return *pointer;
  };
  EXPECT_EQ(use().value(), 1);
}

}  // namespace
}  // namespace hnx
