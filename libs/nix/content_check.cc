#include "nix/content_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "nix/reject_reason.h"

namespace hnx::nix {

ModuloHasher::ModuloHasher(HashAlgorithm algorithm, const StorePathHash& modulus)
    : hasher_(algorithm), modulus_(modulus.text()) {}

Result<void> ModuloHasher::Update(ByteView bytes) {
  window_.append(AsText(bytes));
  for (std::size_t at = window_.find(modulus_); at != std::string::npos;
       at = window_.find(modulus_, at + modulus_.size())) {
    if (occurrences_.size() == kOccurrencesMax) {
      return Reject(
          ErrorCode::kDataLoss, RejectReason::kContentAddressContentMismatch,
          fmt::format("hash a NAR modulo its own path: it names itself more than {} times",
                      kOccurrencesMax));
    }
    occurrences_.push_back(window_offset_ + at);
    window_.replace(at, modulus_.size(), modulus_.size(), '\0');
  }
  const std::size_t kept = std::min(window_.size(), modulus_.size() - 1);
  const std::size_t done = window_.size() - kept;
  hasher_.Update(AsBytes(std::string_view(window_).substr(0, done)));
  window_.erase(0, done);
  window_offset_ += done;
  return {};
}

Hash ModuloHasher::Finish() {
  hasher_.Update(AsBytes(window_));
  for (const std::uint64_t offset : occurrences_) {
    hasher_.Update(AsBytes(fmt::format("|{}", offset)));
  }
  return hasher_.Finish();
}

ContentCheck::ContentCheck(const ContentAddress& address,
                           const std::optional<StorePathHash>& self_reference)
    : address_(address) {
  const HashAlgorithm algorithm = address.hash().algorithm();
  if (wants_single_file()) {
    file_hasher_.emplace(algorithm);
  } else if (self_reference.has_value()) {
    self_hasher_.emplace(algorithm, *self_reference);
  } else if (algorithm != HashAlgorithm::kSha256) {
    nar_hasher_.emplace(algorithm);
  }
}

Result<void> ContentCheck::UpdateNar(ByteView bytes) {
  if (nar_hasher_.has_value()) {
    nar_hasher_->Update(bytes);
  }
  return self_hasher_.has_value() ? self_hasher_->Update(bytes) : Result<void>{};
}

Result<void> ContentCheck::Finish(const Hash& nar_sha256) {
  Hash actual = nar_sha256;
  for (auto* const hasher : {&file_hasher_, &nar_hasher_}) {
    if (hasher->has_value()) {
      actual = (*hasher)->Finish();
    }
  }
  if (self_hasher_.has_value()) {
    actual = self_hasher_->Finish();
  }
  if (!(actual == address_.hash())) {
    return Mismatch(fmt::format("its content has {}", actual.ToNix32()));
  }
  return {};
}

Result<void> ContentCheck::OnDirectory() {
  return wants_single_file() ? Result<void>(Mismatch("it is a directory, not a file"))
                             : Result<void>{};
}

Result<void> ContentCheck::OnSymlink(std::string_view /*target*/) {
  return wants_single_file() ? Result<void>(Mismatch("it is a symlink, not a file"))
                             : Result<void>{};
}

// The executable bit is not part of the address, so whoever serves the file could set it.
Result<void> ContentCheck::OnRegular(bool executable, std::uint64_t /*size*/) {
  return wants_single_file() && executable
             ? Result<void>(Mismatch("it is executable, which the address does not cover"))
             : Result<void>{};
}

Result<void> ContentCheck::OnContents(ByteView piece) {
  if (file_hasher_.has_value()) {
    file_hasher_->Update(piece);
  }
  return {};
}

Error ContentCheck::Mismatch(std::string_view why) const {
  return Reject(ErrorCode::kDataLoss, RejectReason::kContentAddressContentMismatch,
                fmt::format("check content address {}: {}", address_.ToString(), why));
}

}  // namespace hnx::nix
