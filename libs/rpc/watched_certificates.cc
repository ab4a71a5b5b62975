#include "rpc/watched_certificates.h"

#include <array>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"

namespace hnx::rpc {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;

std::string PathOf(const UniqueFd& file) {
  return fmt::format("/proc/self/fd/{}", file.get());
}

}  // namespace

Result<std::unique_ptr<WatchedCertificates>> WatchedCertificates::Open(access::TlsFiles files) {
  std::unique_ptr<WatchedCertificates> watched(new WatchedCertificates(std::move(files)));
  HNX_ASSIGN_OR_RETURN(const access::TlsContents contents, access::ReadTlsFiles(watched->files_));
  HNX_TRY(watched->Take(contents));
  if (!watched->identity_.valid()) {
    watched->provider_ = std::make_shared<FileWatcherCertificateProvider>(
        PathOf(watched->authorities_), kCertificateTakeSeconds);
  } else if (!watched->authorities_.valid()) {
    watched->provider_ = std::make_shared<FileWatcherCertificateProvider>(
        PathOf(watched->identity_), PathOf(watched->identity_), kCertificateTakeSeconds);
  } else {
    watched->provider_ = std::make_shared<FileWatcherCertificateProvider>(
        PathOf(watched->identity_), PathOf(watched->identity_), PathOf(watched->authorities_),
        kCertificateTakeSeconds);
  }
  watched->thread_ = std::thread([raw = watched.get()] { raw->Run(); });
  return watched;
}

WatchedCertificates::~WatchedCertificates() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void WatchedCertificates::Run() {
  NameThisThread("certificates");
  while (true) {
    {
      MutexLock lock(mutex_);
      const auto until = std::chrono::steady_clock::now() + kCertificateLookInterval;
      while (!ending_ && std::chrono::steady_clock::now() < until) {
        changed_.WaitFor(mutex_, kCertificateLookInterval);
      }
      if (ending_) {
        return;
      }
    }
    LookAgain();
  }
}

void WatchedCertificates::LookAgain() {
  const auto contents = access::ReadTlsFiles(files_);
  if (contents.has_value() && *contents == contents_) {
    trouble_.clear();
    return;
  }
  const Result<void> taken = contents.has_value() ? Take(*contents) : contents.error();
  if (taken.has_value()) {
    trouble_.clear();
    Log("tls")->info("certificates changed and are in use");
  } else if (taken.error().message != trouble_) {
    trouble_ = taken.error().message;
    Log("tls")->error("{}; what was there before holds on", trouble_);
  }
}

Result<void> WatchedCertificates::Take(const access::TlsContents& contents) {
  // Authorities first: an identity that only the new ones know follows them.
  if (!contents.ca.empty() && contents.ca != contents_.ca) {
    HNX_TRY(Put(authorities_, contents.ca));
    contents_.ca = contents.ca;
  }
  if (!contents.cert.empty() &&
      (contents.cert != contents_.cert || contents.key != contents_.key)) {
    HNX_TRY(Put(identity_, contents.key + '\n' + contents.cert));
    contents_.cert = contents.cert;
    contents_.key = contents.key;
  }
  return {};
}

Result<void> WatchedCertificates::Put(UniqueFd& slot, const std::string& content) {
  UniqueFd file(::memfd_create("hnx-tls", MFD_CLOEXEC));
  if (!file.valid()) {
    return Errno("memfd_create", "for certificates");
  }
  HNX_TRY(WriteAt(file.get(), 0, AsBytes(content)));
  // gRPC compares times of change, in seconds, to see that key and certificate are of one moment.
  ++generation_;
  const std::array<timespec, 2> times{timespec{generation_, 0}, timespec{generation_, 0}};
  if (::futimens(file.get(), times.data()) != 0) {
    return Errno("futimens", "of certificates in memory");
  }
  if (!slot.valid()) {
    slot = std::move(file);
  } else if (::dup3(file.get(), slot.get(), O_CLOEXEC) < 0) {
    return Errno("dup3", "of certificates in memory");
  }
  return {};
}

}  // namespace hnx::rpc
