// Result<T>: the outcome of an operation that may fail in an expected way.
//
// Expected failure (bad input, a full disk, a lost lease) is a value; only bugs abort (check.h).
// The code decides what happens next (retry, set aside, give up), so it is part of the signature;
// the message is for people and names operation, object and cause, built outwards with
// Error::Annotate.
//
// Codes carry gRPC's canonical names and numbers, so that rpc/ maps them by a cast.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace hnx {

enum class ErrorCode {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,   // the caller's or a peer's bytes are wrong, and will be wrong again
  kDeadlineExceeded = 4,  // retry
  kNotFound = 5,          // authoritative absence
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,   // a named limit was reached: disk, memory, rate
  kFailedPrecondition = 9,  // the system is not in the state that the call needs
  kAborted = 10,            // lost a race: lease lost, compare-and-set refused
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,      // transient: retry
  kDataLoss = 15,         // hash, signature or Merkle mismatch
  kUnauthenticated = 16,  // no trusted signature
};

// The gRPC spelling, for logs and for SQL: "DATA_LOSS".
std::string_view ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kUnknown;
  std::string message;

  // "<what>: <message>", the same code.
  Error Annotate(std::string_view what) const;
  // "DATA_LOSS: <message>"
  std::string ToString() const;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  // NOLINTNEXTLINE(google-explicit-constructor): `return Error{...};` is the point of the type
  Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}
};

// Shorthands for the common codes: `return InvalidArgument("...")`.
Error InvalidArgument(std::string message);
Error NotFound(std::string message);
Error FailedPrecondition(std::string message);
Error DataLoss(std::string message);
Error Unavailable(std::string message);
Error ResourceExhausted(std::string message);
Error Aborted(std::string message);
Error Internal(std::string message);
Error Unauthenticated(std::string message);
// From errno, naming operation and object: Errno("open", path).
Error Errno(std::string_view operation, std::string_view object);

}  // namespace hnx

#define HNX_CONCAT_INNER(a, b) a##b
#define HNX_CONCAT(a, b) HNX_CONCAT_INNER(a, b)

// Returns the error of a Result<...> expression from the enclosing function.
#define HNX_TRY(expression)                     \
  do {                                          \
    auto hnx_try_result = (expression);         \
    if (!hnx_try_result.has_value()) {          \
      return std::move(hnx_try_result).error(); \
    }                                           \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses
// HNX_ASSIGN_OR_RETURN(auto path, StorePath::Parse(text));
#define HNX_ASSIGN_OR_RETURN(lhs, expression) \
  HNX_ASSIGN_OR_RETURN_INNER(HNX_CONCAT(hnx_result_, __LINE__), lhs, expression)
#define HNX_ASSIGN_OR_RETURN_INNER(result, lhs, expression) \
  auto result = (expression);                               \
  if (!result.has_value()) {                                \
    return std::move(result).error();                       \
  }                                                         \
  lhs = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses): end of the macros that declare
