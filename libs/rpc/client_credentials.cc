#include "rpc/client_credentials.h"

#include <map>
#include <utility>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "access/token.h"
#include "rpc/door.h"

namespace hnx::rpc {
namespace {

// Shows the token with each call; the file is read anew, so that another one may take its place.
class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenPlugin(std::string file) : file_(std::move(file)) {}

  grpc::Status GetMetadata(grpc::string_ref /*service*/, grpc::string_ref /*method*/,
                           const grpc::AuthContext& /*context*/,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    const auto token = access::ReadTokenFile(file_);
    if (!token.has_value()) {
      return {grpc::StatusCode::UNAUTHENTICATED, token.error().message};
    }
    metadata->emplace(kTokenMetadata, std::string(kTokenPrefix) + *token);
    return grpc::Status::OK;
  }

  // Not the token.
  grpc::string DebugString() override { return "token of a file"; }

 private:
  const std::string file_;
};

}  // namespace

std::shared_ptr<const ClientCredentials> ClientCredentials::Plain() {
  std::shared_ptr<ClientCredentials> plain(new ClientCredentials);
  plain->channel_ = grpc::InsecureChannelCredentials();
  return plain;
}

Result<std::shared_ptr<const ClientCredentials>> ClientCredentials::Make(
    const access::ClientAccess& access, const std::vector<std::string>& endpoints) {
  HNX_TRY(access::CheckClientAccess(access, endpoints));
  std::shared_ptr<ClientCredentials> made(new ClientCredentials);
  made->server_name_ = access.server_name;
  if (access.encrypts()) {
    HNX_ASSIGN_OR_RETURN(made->certificates_, WatchedCertificates::Open(access.tls));
    grpc::experimental::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(made->certificates_->provider());
    options.watch_root_certs();
    if (access.tls.has_identity()) {
      options.watch_identity_key_cert_pairs();
    }
    options.set_verify_server_certs(true);
    options.set_certificate_verifier(
        std::make_shared<grpc::experimental::HostNameCertificateVerifier>());
    made->channel_ = grpc::experimental::TlsCredentials(options);
  } else if (access.token_file.empty()) {
    made->channel_ = grpc::InsecureChannelCredentials();
  } else {
    // Plain, and refuses to leave this machine.
    made->channel_ = grpc::experimental::LocalCredentials(LOCAL_TCP);
  }
  if (!access.token_file.empty()) {
    HNX_TRY(access::ReadTokenFile(access.token_file));
    made->channel_ = grpc::CompositeChannelCredentials(
        made->channel_, grpc::experimental::MetadataCredentialsFromPlugin(
                            std::make_unique<TokenPlugin>(access.token_file),
                            access.encrypts() ? GRPC_PRIVACY_AND_INTEGRITY : GRPC_SECURITY_NONE));
  }
  return std::shared_ptr<const ClientCredentials>(std::move(made));
}

}  // namespace hnx::rpc
