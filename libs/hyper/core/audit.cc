#include "hyper/core/audit.h"

namespace hnx::hyper {

std::string AuditFinding::ToString() const {
  return std::string(CoreFileName(file)) + " at byte " + std::to_string(offset) + ": " + message;
}

Result<AuditReport> AuditCore(CoreStorage& /*storage*/, const AuditProgress& /*progress*/) {
  return AuditReport{};
}

}  // namespace hnx::hyper
