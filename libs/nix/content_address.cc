#include "nix/content_address.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "nix/nix_base32.h"
#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

constexpr std::size_t kStorePathHashSize = 20;  // bytes

Error InvalidContentAddress(std::string_view why) {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kContentAddressInvalid,
                fmt::format("parse CA: {}", why));
}

// XOR of the digest's bytes into 20.
std::array<std::byte, kStorePathHashSize> Fold(const Sha256Digest& digest) {
  std::array<std::byte, kStorePathHashSize> folded{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    folded[i % folded.size()] ^= digest[i];
  }
  return folded;
}

Result<StorePath> Make(std::string_view type, std::string_view inner_hex, std::string_view name) {
  const std::string text = fmt::format("{}:sha256:{}:{}:{}", type, inner_hex, kStoreDir, name);
  return StorePath::ParseBaseName(
      fmt::format("{}-{}", EncodeNixBase32(Fold(Sha256::Of(AsBytes(text)))), name));
}

std::string TypeWithReferences(std::string_view type, std::span<const StorePath> references) {
  std::string text(type);
  for (const StorePath& reference : references) {
    text.append(":").append(reference.ToString());
  }
  return text;
}

Result<ContentAddress> ParseFixed(std::string_view text) {
  const bool recursive = text.starts_with("r:");
  if (recursive) {
    text.remove_prefix(2);
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return InvalidArgument("no algorithm");
  }
  HNX_ASSIGN_OR_RETURN(const HashAlgorithm algorithm, ParseHashAlgorithm(text.substr(0, colon)));
  HNX_ASSIGN_OR_RETURN(Hash hash, Hash::ParseDigest(algorithm, text.substr(colon + 1)));
  return ContentAddress(
      recursive ? ContentAddress::Method::kRecursive : ContentAddress::Method::kFlat, hash);
}

Result<ContentAddress> ParseText(std::string_view text) {
  constexpr std::string_view kOnlyAlgorithm = "sha256:";
  if (!text.starts_with(kOnlyAlgorithm)) {
    return InvalidArgument("text is addressed by sha256 only");
  }
  HNX_ASSIGN_OR_RETURN(
      Hash hash, Hash::ParseDigest(HashAlgorithm::kSha256, text.substr(kOnlyAlgorithm.size())));
  return ContentAddress(ContentAddress::Method::kText, hash);
}

}  // namespace

Result<ContentAddress> ContentAddress::Parse(std::string_view text) {
  constexpr std::string_view kTextPrefix = "text:";
  constexpr std::string_view kFixedPrefix = "fixed:";
  Result<ContentAddress> address = InvalidArgument("neither text: nor fixed:");
  if (text.starts_with(kTextPrefix)) {
    address = ParseText(text.substr(kTextPrefix.size()));
  } else if (text.starts_with(kFixedPrefix)) {
    address = ParseFixed(text.substr(kFixedPrefix.size()));
  }
  if (!address.has_value()) {
    return InvalidContentAddress(address.error().message);
  }
  return address;
}

std::string ContentAddress::ToString() const {
  switch (method_) {
    case Method::kText:
      return "text:" + hash_.ToNix32();
    case Method::kFlat:
      return "fixed:" + hash_.ToNix32();
    case Method::kRecursive:
      return "fixed:r:" + hash_.ToNix32();
  }
  return "";
}

Result<StorePath> ContentAddress::MakeStorePath(std::string_view name,
                                                std::span<const StorePath> references,
                                                bool refers_to_itself) const {
  if (method_ == Method::kText) {
    if (refers_to_itself) {
      return InvalidContentAddress("a text path cannot refer to itself");
    }
    return Make(TypeWithReferences("text", references), hash_.ToHex(), name);
  }
  if (method_ == Method::kRecursive && hash_.algorithm() == HashAlgorithm::kSha256) {
    std::string type = TypeWithReferences("source", references);
    if (refers_to_itself) {
      type.append(":self");
    }
    return Make(type, hash_.ToHex(), name);
  }
  if (refers_to_itself || !references.empty()) {
    return InvalidContentAddress("only text and fixed:r:sha256 may have references");
  }
  const std::string inner =
      fmt::format("fixed:out:{}{}:{}:", method_ == Method::kRecursive ? "r:" : "",
                  HashAlgorithmName(hash_.algorithm()), hash_.ToHex());
  return Make("output:out", Hash::FromSha256(Sha256::Of(AsBytes(inner))).ToHex(), name);
}

Result<void> ContentAddress::Check(const StorePath& path,
                                   std::span<const StorePath> references) const {
  std::vector<StorePath> others;
  others.reserve(references.size());
  std::copy_if(references.begin(), references.end(), std::back_inserter(others),
               [&](const StorePath& reference) { return reference != path; });
  HNX_ASSIGN_OR_RETURN(const StorePath made,
                       MakeStorePath(path.name(), others, others.size() != references.size()));
  if (made != path) {
    return Reject(ErrorCode::kUnauthenticated, RejectReason::kContentAddressMismatch,
                  fmt::format("check CA of {}: {} stands for {}", path.ToString(), ToString(),
                              made.ToString()));
  }
  return {};
}

}  // namespace hnx::nix
