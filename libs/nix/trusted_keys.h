// TrustedKeys: the public keys that a user trusts, by name; and the one question that decides about
// every narinfo: is it authentic?
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "nix/nar_info.h"
#include "nix/signature.h"

namespace hnx::nix {

// The key of https://cache.nixos.org.
constexpr std::string_view kNixosCacheKey =
    "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

constexpr std::size_t kTrustedKeysMax = 1000;

class TrustedKeys {
 public:
  // Each entry "<name>:<base64>". An unreadable key, or one name with two keys, refuses the whole
  // list: a mirror must not start with keys that are not what its operator meant.
  static Result<TrustedKeys> Parse(std::span<const std::string> keys);
  // The same, separated by blanks or newlines, as nix.conf's trusted-public-keys.
  static Result<TrustedKeys> ParseText(std::string_view text);

  const PublicKey* Find(std::string_view name) const;
  bool empty() const { return keys_.empty(); }
  std::size_t size() const { return keys_.size(); }
  const std::map<std::string, PublicKey, std::less<>>& keys() const { return keys_; }

 private:
  std::map<std::string, PublicKey, std::less<>> keys_;
};

struct TrustPolicy {
  // Take a path without a valid signature when its CA recomputes. The content must then be checked
  // against the CA too (NarExpectation does it). Off: cache.nixos.org signs those paths as well.
  bool accept_unsigned_content_addressed = false;
};

// Why a narinfo is believed.
struct Trust {
  enum class By { kSignature, kContentAddress };
  By by = By::kSignature;
  std::string key_name;  // of the first valid signature; empty for kContentAddress
};

// kUnauthenticated with a RejectReason and a message that says which signature failed and why. A CA
// that does not recompute is refused even under a good signature: it makes clients abort.
Result<Trust> VerifyNarInfo(const NarInfo& info, const TrustedKeys& keys,
                            const TrustPolicy& policy = {});

}  // namespace hnx::nix
