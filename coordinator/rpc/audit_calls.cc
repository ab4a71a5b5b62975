// The call of CoordinatorService that tells who decided what.
#include "coordinator/rpc/coordinator_service.h"

namespace hnx::coordinator {

namespace pb = hypercore_nixos::v1;

grpc::ServerWriteReactor<pb::AuditEntry>* CoordinatorService::ListAudit(
    grpc::CallbackServerContext* context, const pb::ListAuditRequest* request) {
  const auto list = [this, since_ms = request->since_ms(), limit = request->limit()](
                        rpc::MessageWriter<pb::AuditEntry>& out) -> Result<void> {
    return stores_.audit.List(since_ms, limit, [&](const AuditView& entry) {
      pb::AuditEntry message;
      message.set_id(static_cast<std::uint64_t>(entry.id));
      message.set_at_ms(entry.at_ms);
      message.set_who(entry.who);
      message.set_peer(entry.peer);
      message.set_operation(entry.operation);
      message.set_object(entry.object);
      message.set_decision(entry.decision);
      return out.Write(message);
    });
  };
  return rpc::HandleServerStream<pb::AuditEntry>(watchers_, context, list);
}

}  // namespace hnx::coordinator
