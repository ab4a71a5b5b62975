// WatchedCertificates: PEM files as gRPC wants them, looked at again and again.
//
// gRPC's own watcher reads the certificate and the key one after the other and takes what it finds:
// two files that are replaced one after the other are a pair that does not fit for a moment, and
// then no handshake succeeds. So files are read and checked here, and only a set that fits goes on
// to gRPC, at once, by a file in memory with both (memfd, in no file system); what was there before
// holds on meanwhile, and the log says why.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/security/tls_certificate_provider.h>

#include "access/tls_files.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"

namespace hnx::rpc {

// A changed file is in use after at most the sum of both.
inline constexpr std::chrono::milliseconds kCertificateLookInterval{2'000};
inline constexpr unsigned kCertificateTakeSeconds = 1;

class WatchedCertificates {
 public:
  // Errors as ReadTlsFiles has them. Must outlive the channels and servers that use its provider.
  static Result<std::unique_ptr<WatchedCertificates>> Open(access::TlsFiles files);
  ~WatchedCertificates();
  WatchedCertificates(const WatchedCertificates&) = delete;
  WatchedCertificates& operator=(const WatchedCertificates&) = delete;
  WatchedCertificates(WatchedCertificates&&) = delete;
  WatchedCertificates& operator=(WatchedCertificates&&) = delete;

  const std::shared_ptr<grpc::experimental::CertificateProviderInterface>& provider() const {
    return provider_;
  }
  const access::TlsFiles& files() const { return files_; }

 private:
  explicit WatchedCertificates(access::TlsFiles files) : files_(std::move(files)) {}

  void Run();
  void LookAgain();
  Result<void> Take(const access::TlsContents& contents);
  // What `slot` is read as from now on.
  Result<void> Put(UniqueFd& slot, const std::string& content);

  const access::TlsFiles files_;
  access::TlsContents contents_;
  std::string trouble_;          // that was logged
  std::int64_t generation_ = 0;  // of what is in the slots
  UniqueFd identity_;            // key, then certificates
  UniqueFd authorities_;
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;
  Mutex mutex_;
  CondVar changed_;
  bool ending_ HNX_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hnx::rpc
