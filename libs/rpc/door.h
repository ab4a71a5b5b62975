// Door: who may make which call of a server. The one place where calls are let in or refused,
// before any handler sees them (gRPC's AuthMetadataProcessor), so that none can forget to ask.
// Denied is what is not named. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>

#include "access/access_options.h"
#include "access/role.h"
#include "access/token.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "rpc/watched_certificates.h"

namespace hnx::rpc {

// Metadata with a token: "Bearer TOKEN".
inline constexpr const char* kTokenMetadata = "authorization";
inline constexpr std::string_view kTokenPrefix = "Bearer ";

// The roles of "/package.Service/Method"; nullptr: no such method.
using MethodRoles = std::function<const access::Roles*(std::string_view method)>;
// `method`: "Submit", or "" for one that there is not; `code`: as in ErrorCodeName.
using RefusalObserver = std::function<void(std::string_view method, std::string_view code)>;

class Door final : public grpc::AuthMetadataProcessor, public std::enable_shared_from_this<Door> {
 public:
  // What CheckServerAccess says of `listen`, and what is wrong with the files.
  static Result<std::shared_ptr<Door>> Make(const access::ServerAccess& access,
                                            const std::string& listen, MethodRoles roles);

  // Everybody may do anything, and nobody has a name.
  bool open() const { return access_.open(); }
  std::chrono::milliseconds connection_age() const { return access_.connection_age; }
  std::shared_ptr<grpc::ServerCredentials> MakeCredentials();
  // Of a call that was let in; without a name when the door is open.
  access::Identity IdentityOf(const grpc::CallbackServerContext& context) const;
  // Before the server starts.
  void OnRefusal(RefusalObserver observer) { observer_ = std::move(observer); }

  // For gRPC.
  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed, OutputMetadata* response) override;

 private:
  Door(access::ServerAccess access, MethodRoles roles)
      : access_(std::move(access)), roles_(std::move(roles)) {}

  Result<access::Identity> Identify(const InputMetadata& metadata,
                                    const grpc::AuthContext& context) const;
  Result<void> Admit(std::string_view method, const InputMetadata& metadata,
                     const grpc::AuthContext& context) const;
  void TellRefusal(std::string_view method, const Error& error) HNX_EXCLUDES(mutex_);

  const access::ServerAccess access_;
  const MethodRoles roles_;
  std::unique_ptr<WatchedCertificates> certificates_;
  std::unique_ptr<access::TokenTable> tokens_;
  RefusalObserver observer_ = [](std::string_view, std::string_view) {};
  Mutex mutex_;
  Clock::SteadyTime logged_ HNX_GUARDED_BY(mutex_){};
  std::uint64_t unlogged_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::rpc
