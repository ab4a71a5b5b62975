#include "nix/trusted_keys.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "nix/fingerprint.h"
#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

Error Untrusted(RejectReason reason, const NarInfo& info, std::string_view why) {
  return Reject(ErrorCode::kUnauthenticated, reason,
                fmt::format("verify {}: {}", info.store_path().ToString(), why));
}

// Why none of the signatures is good enough; there is no valid one.
Error ExplainSignatures(const NarInfo& info, std::string_view tried) {
  if (info.signatures().empty()) {
    return Untrusted(RejectReason::kSignatureMissing, info, "it has no Sig");
  }
  if (tried.empty()) {
    std::string names;
    for (const Signature& signature : info.signatures()) {
      names.append(names.empty() ? "" : ", ").append(signature.key_name());
    }
    return Untrusted(RejectReason::kSignatureUntrusted, info,
                     fmt::format("signed only by keys that are not trusted: {}", names));
  }
  return Untrusted(RejectReason::kSignatureInvalid, info,
                   fmt::format("the signature by {} does not match StorePath, NarHash, NarSize and "
                               "References",
                               tried));
}

}  // namespace

Result<TrustedKeys> TrustedKeys::Parse(std::span<const std::string> keys) {
  TrustedKeys trusted;
  for (const std::string& text : keys) {
    HNX_ASSIGN_OR_RETURN(PublicKey key, PublicKey::Parse(text));
    const auto [existing, added] = trusted.keys_.try_emplace(key.name(), key);
    if (!added && !(existing->second == key)) {
      return Reject(ErrorCode::kInvalidArgument, RejectReason::kKeyInvalid,
                    fmt::format("read trusted keys: '{}' is given twice with different keys; "
                                "remove the wrong one",
                                key.name()));
    }
    if (trusted.keys_.size() > kTrustedKeysMax) {
      return Reject(ErrorCode::kInvalidArgument, RejectReason::kKeyInvalid,
                    fmt::format("read trusted keys: more than {}", kTrustedKeysMax));
    }
  }
  return trusted;
}

Result<TrustedKeys> TrustedKeys::ParseText(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string> keys;
  for (std::size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;
       begin = text.find_first_not_of(kBlanks, begin)) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    keys.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return Parse(keys);
}

const PublicKey* TrustedKeys::Find(std::string_view name) const {
  const auto found = keys_.find(name);
  return found == keys_.end() ? nullptr : &found->second;
}

Result<Trust> VerifyNarInfo(const NarInfo& info, const TrustedKeys& keys,
                            const TrustPolicy& policy) {
  if (info.ca().has_value()) {
    auto checked = info.ca()->Check(info.store_path(), info.references());
    if (!checked.has_value()) {
      return Error{ErrorCode::kUnauthenticated, checked.error().message};
    }
  }
  const std::string fingerprint = Fingerprint(info);
  std::string tried;
  for (const Signature& signature : info.signatures()) {
    const PublicKey* const key = keys.Find(signature.key_name());
    if (key == nullptr) {
      continue;
    }
    if (key->Verify(fingerprint, signature)) {
      return Trust{Trust::By::kSignature, key->name()};
    }
    tried.append(tried.empty() ? "" : ", ").append(key->name());
  }
  if (info.ca().has_value() && policy.accept_unsigned_content_addressed) {
    return Trust{Trust::By::kContentAddress, ""};
  }
  return ExplainSignatures(info, tried);
}

}  // namespace hnx::nix
