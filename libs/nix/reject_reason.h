// RejectReason: one stable word for each way in which a narinfo, a signature, a NAR or a list can
// be refused. People read the message, programs and SQL group by the word: it never changes once
// released.
//
// An Error carries its word in the message, in square brackets, so that Error::Annotate and logs
// keep it: "verify nar/1abc.nar.xz: [nar-hash-mismatch] ...".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hnx::nix {

enum class RejectReason {
  // narinfo
  kNotANarInfo,  // empty, or HTML: a portal or an error page with status 200
  kNarInfoTruncated,
  kNarInfoSyntax,
  kNarInfoLimit,
  kFieldDuplicate,
  kFieldMissing,
  kStorePathInvalid,
  kStorePathMismatch,  // another path than the one asked for
  kReferenceInvalid,
  kUrlRefused,
  kCompressionUnknown,
  kCompressionMismatch,  // body or URL suffix says otherwise
  kHashInvalid,
  kNarSizeInvalid,
  kFileSizeInvalid,
  kDeriverInvalid,
  // trust
  kKeyInvalid,
  kSignatureMalformed,
  kSignatureMissing,
  kSignatureUntrusted,  // only keys that nobody trusts
  kSignatureInvalid,
  kContentAddressInvalid,
  kContentAddressMismatch,         // does not recompute to the store path
  kContentAddressContentMismatch,  // the content has another hash
  // body
  kStreamTruncated,
  kStreamCorrupt,
  kStreamTrailing,
  kStreamLimit,  // dictionary, window or number of streams
  kNarTruncated,
  kNarMalformed,
  kNarTrailing,
  kNarSizeMismatch,
  kNarHashMismatch,
  kFileHashDrift,  // counted, never fatal
  kFileSizeDrift,
  // lists
  kStorePathsInvalid,
  kStorePathsEmpty,
  kCacheInfoInvalid,
};

// "nar-hash-mismatch"
std::string_view RejectReasonName(RejectReason reason);
std::optional<RejectReason> RejectReasonFromName(std::string_view name);

// "[<name>] <message>"
Error Reject(ErrorCode code, RejectReason reason, std::string_view message);

// The word that an Error made by Reject carries, however often it was annotated since.
std::optional<RejectReason> ReasonOf(const Error& error);

// How often asking again for the same object may help before it is set aside. Damage on the way
// (a proxy, a cut connection) heals; a lie of the origin does not.
int RetriesMax(RejectReason reason);

}  // namespace hnx::nix
