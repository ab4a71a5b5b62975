#include "base/result.h"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace hnx {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled:
      return "CANCELLED";
    case ErrorCode::kUnknown:
      return "UNKNOWN";
    case ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case ErrorCode::kNotFound:
      return "NOT_FOUND";
    case ErrorCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case ErrorCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case ErrorCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case ErrorCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case ErrorCode::kAborted:
      return "ABORTED";
    case ErrorCode::kOutOfRange:
      return "OUT_OF_RANGE";
    case ErrorCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case ErrorCode::kInternal:
      return "INTERNAL";
    case ErrorCode::kUnavailable:
      return "UNAVAILABLE";
    case ErrorCode::kDataLoss:
      return "DATA_LOSS";
    case ErrorCode::kUnauthenticated:
      return "UNAUTHENTICATED";
  }
  return "UNKNOWN";
}

Error Error::Annotate(std::string_view what) const {
  return Error{code, fmt::format("{}: {}", what, message)};
}

std::string Error::ToString() const {
  return fmt::format("{}: {}", ErrorCodeName(code), message);
}

Error InvalidArgument(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}
Error NotFound(std::string message) {
  return Error{ErrorCode::kNotFound, std::move(message)};
}
Error FailedPrecondition(std::string message) {
  return Error{ErrorCode::kFailedPrecondition, std::move(message)};
}
Error DataLoss(std::string message) {
  return Error{ErrorCode::kDataLoss, std::move(message)};
}
Error Unavailable(std::string message) {
  return Error{ErrorCode::kUnavailable, std::move(message)};
}
Error ResourceExhausted(std::string message) {
  return Error{ErrorCode::kResourceExhausted, std::move(message)};
}
Error Aborted(std::string message) {
  return Error{ErrorCode::kAborted, std::move(message)};
}
Error Internal(std::string message) {
  return Error{ErrorCode::kInternal, std::move(message)};
}
Error Unauthenticated(std::string message) {
  return Error{ErrorCode::kUnauthenticated, std::move(message)};
}

Error Errno(std::string_view operation, std::string_view object) {
  const int saved = errno;
  ErrorCode code = ErrorCode::kInternal;
  switch (saved) {
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case EACCES:
    case EPERM:
      code = ErrorCode::kPermissionDenied;
      break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      code = ErrorCode::kResourceExhausted;
      break;
    case EEXIST:
      code = ErrorCode::kAlreadyExists;
      break;
    case EAGAIN:
    case EINTR:
      code = ErrorCode::kUnavailable;
      break;
    default:
      break;
  }
  return Error{code,
               fmt::format("{} {}: {}", operation, object, std::generic_category().message(saved))};
}

}  // namespace hnx
