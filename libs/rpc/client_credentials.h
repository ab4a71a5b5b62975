// ClientCredentials: how a channel proves to the coordinator who calls, and whom it believes.
// Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/security/credentials.h>

#include "access/access_options.h"
#include "base/result.h"
#include "rpc/watched_certificates.h"

namespace hnx::rpc {

class ClientCredentials {
 public:
  // Neither TLS nor a token.
  static std::shared_ptr<const ClientCredentials> Plain();
  // What CheckClientAccess says, and what is wrong with the files.
  static Result<std::shared_ptr<const ClientCredentials>> Make(
      const access::ClientAccess& access, const std::vector<std::string>& endpoints);

  const std::shared_ptr<grpc::ChannelCredentials>& channel() const { return channel_; }
  // Empty: the endpoint's host.
  const std::string& server_name() const { return server_name_; }

 private:
  ClientCredentials() = default;

  std::unique_ptr<WatchedCertificates> certificates_;
  std::shared_ptr<grpc::ChannelCredentials> channel_;
  std::string server_name_;
};

}  // namespace hnx::rpc
