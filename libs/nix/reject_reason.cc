#include "nix/reject_reason.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace hnx::nix {
namespace {

using Row = std::pair<RejectReason, std::string_view>;

constexpr std::array kNames{
    Row{RejectReason::kNotANarInfo, "not-a-narinfo"},
    Row{RejectReason::kNarInfoTruncated, "narinfo-truncated"},
    Row{RejectReason::kNarInfoSyntax, "narinfo-syntax"},
    Row{RejectReason::kNarInfoLimit, "narinfo-limit"},
    Row{RejectReason::kFieldDuplicate, "field-duplicate"},
    Row{RejectReason::kFieldMissing, "field-missing"},
    Row{RejectReason::kStorePathInvalid, "store-path-invalid"},
    Row{RejectReason::kStorePathMismatch, "store-path-mismatch"},
    Row{RejectReason::kReferenceInvalid, "reference-invalid"},
    Row{RejectReason::kUrlRefused, "url-refused"},
    Row{RejectReason::kCompressionUnknown, "compression-unknown"},
    Row{RejectReason::kCompressionMismatch, "compression-mismatch"},
    Row{RejectReason::kHashInvalid, "hash-invalid"},
    Row{RejectReason::kNarSizeInvalid, "nar-size-invalid"},
    Row{RejectReason::kFileSizeInvalid, "file-size-invalid"},
    Row{RejectReason::kDeriverInvalid, "deriver-invalid"},
    Row{RejectReason::kKeyInvalid, "key-invalid"},
    Row{RejectReason::kSignatureMalformed, "signature-malformed"},
    Row{RejectReason::kSignatureMissing, "signature-missing"},
    Row{RejectReason::kSignatureUntrusted, "signature-untrusted"},
    Row{RejectReason::kSignatureInvalid, "signature-invalid"},
    Row{RejectReason::kContentAddressInvalid, "content-address-invalid"},
    Row{RejectReason::kContentAddressMismatch, "content-address-mismatch"},
    Row{RejectReason::kContentAddressContentMismatch, "content-address-content-mismatch"},
    Row{RejectReason::kStreamTruncated, "stream-truncated"},
    Row{RejectReason::kStreamCorrupt, "stream-corrupt"},
    Row{RejectReason::kStreamTrailing, "stream-trailing"},
    Row{RejectReason::kStreamLimit, "stream-limit"},
    Row{RejectReason::kNarTruncated, "nar-truncated"},
    Row{RejectReason::kNarMalformed, "nar-malformed"},
    Row{RejectReason::kNarTrailing, "nar-trailing"},
    Row{RejectReason::kNarSizeMismatch, "nar-size-mismatch"},
    Row{RejectReason::kNarHashMismatch, "nar-hash-mismatch"},
    Row{RejectReason::kFileHashDrift, "file-hash-drift"},
    Row{RejectReason::kFileSizeDrift, "file-size-drift"},
    Row{RejectReason::kStorePathsInvalid, "store-paths-invalid"},
    Row{RejectReason::kStorePathsEmpty, "store-paths-empty"},
    Row{RejectReason::kCacheInfoInvalid, "cache-info-invalid"},
};

// What the catalogue of bad inputs calls "TRANS x3, then REJ" and "TRANS once".
constexpr int kRetriesOfTruncation = 3;
constexpr int kRetriesOfDamage = 1;

}  // namespace

std::string_view RejectReasonName(RejectReason reason) {
  for (const auto& [value, name] : kNames) {
    if (value == reason) {
      return name;
    }
  }
  return "unknown";
}

std::optional<RejectReason> RejectReasonFromName(std::string_view name) {
  for (const auto& [value, row_name] : kNames) {
    if (row_name == name) {
      return value;
    }
  }
  return std::nullopt;
}

Error Reject(ErrorCode code, RejectReason reason, std::string_view message) {
  return Error{code, fmt::format("[{}] {}", RejectReasonName(reason), message)};
}

std::optional<RejectReason> ReasonOf(const Error& error) {
  const std::string_view text = error.message;
  for (std::size_t open = text.find('['); open != std::string_view::npos;
       open = text.find('[', open + 1)) {
    const std::size_t close = text.find(']', open);
    if (close == std::string_view::npos) {
      return std::nullopt;
    }
    if (const auto reason = RejectReasonFromName(text.substr(open + 1, close - open - 1))) {
      return reason;
    }
  }
  return std::nullopt;
}

int RetriesMax(RejectReason reason) {
  switch (reason) {
    case RejectReason::kNotANarInfo:
    case RejectReason::kNarInfoTruncated:
    case RejectReason::kStreamTruncated:
    case RejectReason::kNarTruncated:
      return kRetriesOfTruncation;
    case RejectReason::kCompressionMismatch:
    case RejectReason::kStreamCorrupt:
    case RejectReason::kNarMalformed:
    case RejectReason::kNarSizeMismatch:
    case RejectReason::kNarHashMismatch:
      return kRetriesOfDamage;
    default:
      return 0;
  }
}

}  // namespace hnx::nix
