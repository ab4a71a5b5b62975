#include "coordinator/walk/narinfo_verifier.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/service.h"
#include "nix/compression.h"
#include "nix/nar_info.h"

namespace hnx::coordinator {
namespace {

Sha256 DigestOf(const nix::Hash& hash) {
  Sha256 digest{};
  HNX_CHECK(hash.bytes().size() == digest.size());  // NarInfo takes no other algorithm
  std::copy(hash.bytes().begin(), hash.bytes().end(), digest.begin());
  return digest;
}

}  // namespace

Result<VerifiedNarInfo> VerifyNarInfoText(const std::string& hash, const std::string& content,
                                          const WalkPolicy& policy) {
  HNX_ASSIGN_OR_RETURN(const nix::StorePathHash requested, nix::StorePathHash::Parse(hash));
  HNX_ASSIGN_OR_RETURN(const nix::NarInfo info,
                       nix::NarInfo::Parse(content, requested, policy.nar_info));
  HNX_TRY(nix::VerifyNarInfo(info, policy.keys, policy.trust));
  VerifiedNarInfo verified;
  verified.name = info.store_path().name();
  verified.content = info.text();
  verified.url = info.url();
  verified.file = info.nar_file_name();
  verified.compression = nix::CompressionName(info.compression());
  verified.nar_hash = DigestOf(info.nar_hash());
  verified.nar_size = info.nar_size();
  // FileHash is for counting drift; one of another algorithm cannot be compared.
  if (info.file_hash() && info.file_hash()->algorithm() == nix::HashAlgorithm::kSha256) {
    verified.file_hash = DigestOf(*info.file_hash());
  }
  verified.file_size = info.file_size().value_or(0);
  for (const nix::StorePath& reference : info.references()) {
    if (reference.hash_part() != hash) {
      verified.references.push_back(
          {std::string(reference.hash_part()), std::string(reference.name())});
    }
  }
  return verified;
}

Result<VerifiedNarInfo> VerifyForWalk(const FrontierPath& path, const std::string& content,
                                      const WalkPolicy& policy) {
  HNX_ASSIGN_OR_RETURN(VerifiedNarInfo verified, VerifyNarInfoText(path.hash, content, policy));
  verified.path = path.path;
  if (verified.name != path.name) {
    Log("walk")->warn("{} is called '{}' by its signed narinfo, '{}' by who named it", path.hash,
                      verified.name, path.name);
  }
  return verified;
}

NarInfoVerifier::NarInfoVerifier(int threads, std::size_t queue_max) : queue_(queue_max) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

NarInfoVerifier::~NarInfoVerifier() {
  queue_.Close();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void NarInfoVerifier::Verify(Question question) {
  (void)queue_.Push(std::move(question));
}

void NarInfoVerifier::Run() {
  NameThisThread("walk-verify");
  while (auto question = queue_.Pop()) {
    WalkAnswer answer{std::move(question->path), question->upstream, question->asked_at, Error{}};
    auto verified = VerifyForWalk(answer.path, question->content, *question->policy);
    if (verified) {
      answer.outcome = *std::move(verified);
    } else {
      answer.outcome = std::move(verified).error();
    }
    question->sink->Take(std::move(answer));
  }
}

}  // namespace hnx::coordinator
