#include "rpc/door.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "base/log.h"
#include "rpc/grpc_status.h"

namespace hnx::rpc {
namespace {

// Refusals are told in the log at most so often, with how many there were.
constexpr std::chrono::seconds kRefusalLogInterval{5};
// Of what a stranger sent.
constexpr std::size_t kMethodShownMax = 100;

std::string_view View(grpc::string_ref text) {
  return {text.data(), text.size()};
}

std::string_view ShortName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

Result<std::shared_ptr<Door>> Door::Make(const access::ServerAccess& access,
                                         const std::string& listen, MethodRoles roles) {
  HNX_TRY(access::CheckServerAccess(access, listen));
  std::shared_ptr<Door> door(new Door(access, std::move(roles)));
  if (access.tls.has_identity()) {
    HNX_ASSIGN_OR_RETURN(door->certificates_, WatchedCertificates::Open(access.tls));
  }
  if (!access.tokens_file.empty()) {
    HNX_ASSIGN_OR_RETURN(door->tokens_, access::TokenTable::Open(access.tokens_file));
  }
  if (door->open() && !access::IsLoopback(listen)) {
    Log("access")->warn(
        "--insecure: without TLS everybody who reaches {} may do anything (docs/TLS.md)", listen);
  }
  return door;
}

std::shared_ptr<grpc::ServerCredentials> Door::MakeCredentials() {
  if (open()) {
    return grpc::InsecureServerCredentials();
  }
  std::shared_ptr<grpc::ServerCredentials> credentials;
  if (certificates_ == nullptr) {
    // Plain, and connections of this machine only.
    credentials = grpc::experimental::LocalServerCredentials(LOCAL_TCP);
  } else {
    grpc::experimental::TlsServerCredentialsOptions options(certificates_->provider());
    options.watch_identity_key_cert_pairs();
    if (access_.tls.ca.empty()) {
      options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    } else {
      options.watch_root_certs();
      options.set_cert_request_type(tokens_ == nullptr
                                        ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                        : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
    }
    credentials = grpc::experimental::TlsServerCredentials(options);
  }
  credentials->SetAuthMetadataProcessor(shared_from_this());
  return credentials;
}

Result<access::Identity> Door::Identify(const InputMetadata& metadata,
                                        const grpc::AuthContext& context) const {
  // A token that is shown counts alone, so that a wrong one is told.
  const auto shown = metadata.find(kTokenMetadata);
  if (shown != metadata.end()) {
    const std::string_view text = View(shown->second);
    if (tokens_ == nullptr) {
      return Unauthenticated("this coordinator knows no tokens (--tokens-file)");
    }
    std::optional<access::Identity> found;
    if (text.starts_with(kTokenPrefix)) {
      found = tokens_->Find(text.substr(kTokenPrefix.size()));
    }
    if (!found) {
      return Unauthenticated("the token is not among those of this coordinator");
    }
    return *std::move(found);
  }
  std::vector<std::string> uris;
  for (const grpc::string_ref& uri : context.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    uris.emplace_back(uri.data(), uri.size());
  }
  return access::IdentityOfUris(uris);
}

Result<void> Door::Admit(std::string_view method, const InputMetadata& metadata,
                         const grpc::AuthContext& context) const {
  HNX_ASSIGN_OR_RETURN(const access::Identity identity, Identify(metadata, context));
  const access::Roles* needed = roles_(method);
  if (needed == nullptr) {
    return Error{ErrorCode::kPermissionDenied,
                 fmt::format("there is no call {}", method.substr(0, kMethodShownMax))};
  }
  if (identity.roles.empty()) {
    return Unauthenticated(
        fmt::format("{} is for {}: this call shows neither a certificate with a role "
                    "(hypercore-nixos:ROLE:NAME) nor a token",
                    ShortName(method), access::RolesText(*needed)));
  }
  if (!identity.roles.Meet(*needed)) {
    return Error{
        ErrorCode::kPermissionDenied,
        fmt::format("{} is for {}, and {} is {}", ShortName(method), access::RolesText(*needed),
                    identity.name, access::RolesText(identity.roles))};
  }
  return {};
}

grpc::Status Door::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                           OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) {
  const auto path = metadata.find(":path");
  const std::string_view method = path == metadata.end() ? std::string_view() : View(path->second);
  const auto admitted = Admit(method, metadata, *context);
  if (!admitted.has_value()) {
    TellRefusal(method, admitted.error());
  }
  return ToGrpcStatus(admitted);
}

void Door::TellRefusal(std::string_view method, const Error& error) {
  observer_(roles_(method) == nullptr ? "" : ShortName(method), ErrorCodeName(error.code));
  std::uint64_t others = 0;
  {
    MutexLock lock(mutex_);
    const auto now = Clock::Real().Steady();
    if (now - logged_ < kRefusalLogInterval) {
      ++unlogged_;
      return;
    }
    logged_ = now;
    others = std::exchange(unlogged_, 0);
  }
  Log("access")->warn("refused: {} ({} others before)", error.message, others);
}

access::Identity Door::IdentityOf(const grpc::CallbackServerContext& context) const {
  if (open()) {
    return {};
  }
  // It was let in a moment ago; a token that was taken away meanwhile leaves it without a role.
  return Identify(context.client_metadata(), *context.auth_context()).value_or(access::Identity{});
}

}  // namespace hnx::rpc
