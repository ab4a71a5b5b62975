// Whatever parses as a narinfo must satisfy every promise of NarInfo; whatever does not must say
// why in a known word.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "nix/fingerprint.h"
#include "nix/nar_info.h"
#include "nix/reject_reason.h"
#include "nix/trusted_keys.h"

namespace hnx::nix {
namespace {

// The hash that the text claims, so that the fuzzer need not guess it.
StorePathHash RequestedBy(std::string_view text) {
  constexpr std::string_view kPrefix = "StorePath: /nix/store/";
  const std::size_t at = text.find(kPrefix);
  if (at != std::string_view::npos) {
    auto hash =
        StorePathHash::Parse(text.substr(at + kPrefix.size()).substr(0, kStorePathHashLength));
    if (hash.has_value()) {
      return *std::move(hash);
    }
  }
  return StorePathHash::Parse("11111111111111111111111111111111").value();
}

void CheckPromises(const NarInfo& info, std::string_view text) {
  HNX_CHECK(info.text() == text);
  HNX_CHECK(StorePath::Parse(info.store_path().ToString()).value() == info.store_path());
  HNX_CHECK(info.nar_size() > 0 && info.nar_size() <= kNarSizeMaxDefault);
  HNX_CHECK(info.nar_hash().algorithm() == HashAlgorithm::kSha256);
  const auto& references = info.references();
  HNX_CHECK(std::is_sorted(references.begin(), references.end()));
  HNX_CHECK(std::adjacent_find(references.begin(), references.end()) == references.end());
  HNX_CHECK(info.url().starts_with("nar/") && info.url().size() <= kNarInfoUrlLengthMax);
  HNX_CHECK(info.nar_file_name().find('/') == std::string_view::npos);
  HNX_CHECK(info.signatures().size() <= kNarInfoSignaturesMax);
  HNX_CHECK(Fingerprint(info).starts_with("1;/nix/store/"));
}

void ParseBothWays(std::string_view text) {
  const StorePathHash requested = RequestedBy(text);
  for (const bool lenient : {false, true}) {
    NarInfoPolicy policy;
    policy.allow_url_hash_query = lenient;
    policy.allow_suffix_mismatch = lenient;
    policy.allow_malformed_signatures = lenient;
    const auto info = NarInfo::Parse(text, requested, policy);
    if (!info.has_value()) {
      HNX_CHECK(ReasonOf(info.error()).has_value());
      continue;
    }
    CheckPromises(*info, text);
    static const TrustedKeys kKeys = TrustedKeys::ParseText(kNixosCacheKey).value();
    const auto trust = VerifyNarInfo(*info, kKeys);
    HNX_CHECK(trust.has_value() || ReasonOf(trust.error()).has_value());
  }
}

}  // namespace
}  // namespace hnx::nix

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hnx::nix::ParseBothWays({reinterpret_cast<const char*>(data), size});
  return 0;
}
