// NarInfo: the description of one store path in a binary cache, parsed strictly and kept verbatim.
// docs/formats/nar-info.md. Pure; a value.
//
// Only StorePath, NarHash, NarSize and References are covered by the signature. Everything else may
// be altered by whoever serves the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "nix/compression.h"
#include "nix/content_address.h"
#include "nix/hash.h"
#include "nix/signature.h"
#include "nix/store_path.h"

namespace hnx::nix {

constexpr std::size_t kNarInfoSizeMax = std::size_t{8} << 20;
constexpr std::size_t kNarInfoReferencesMax = 100'000;
constexpr std::size_t kNarInfoSignaturesMax = 64;
constexpr std::size_t kNarInfoUrlLengthMax = 1024;
constexpr std::uint64_t kNarSizeMaxDefault = std::uint64_t{16} << 30;

struct NarInfoPolicy {
  std::uint64_t nar_size_max = kNarSizeMaxDefault;
  // One "?hash=<store path hash>" behind the URL, as some other cache servers add.
  bool allow_url_hash_query = false;
  // Whether a URL's suffix may contradict Compression. Only for reading other people's archives:
  // the body check would refuse such a file later.
  bool allow_suffix_mismatch = false;
  // Whether a malformed Sig line is only flagged. Clients of today refuse the whole narinfo.
  bool allow_malformed_signatures = false;
};

// What was accepted but is worth counting. A bit set.
enum class NarInfoFlag : std::uint32_t {
  kRepeatedReference = 1U << 0U,
  kUnsortedReferences = 1U << 1U,
  kMalformedSignature = 1U << 2U,
  kUnknownField = 1U << 3U,
};

class NarInfo {
 public:
  // `requested` is the hash that was asked for: a narinfo of another path is refused. Errors carry
  // a RejectReason; kUnavailable where the answer looks cut or replaced on its way, else
  // kInvalidArgument.
  static Result<NarInfo> Parse(std::string_view bytes, const StorePathHash& requested,
                               const NarInfoPolicy& policy = {});

  // The bytes as they came.
  const std::string& text() const { return text_; }

  const StorePath& store_path() const { return store_path_; }
  const Hash& nar_hash() const { return nar_hash_; }
  std::uint64_t nar_size() const { return nar_size_; }
  // Sorted bytewise, each once; may contain the path itself.
  const std::vector<StorePath>& references() const { return references_; }

  // Relative: "nar/<file>", maybe with "?hash=...".
  const std::string& url() const { return url_; }
  // The part of the URL behind "nar/", without a query: the file's name in a drive.
  std::string_view nar_file_name() const;
  Compression compression() const { return compression_; }
  const std::optional<Hash>& file_hash() const { return file_hash_; }
  const std::optional<std::uint64_t>& file_size() const { return file_size_; }
  const std::optional<StorePath>& deriver() const { return deriver_; }
  const std::vector<Signature>& signatures() const { return signatures_; }
  const std::optional<ContentAddress>& ca() const { return ca_; }

  std::uint32_t flags() const { return flags_; }
  bool has_flag(NarInfoFlag flag) const { return (flags_ & static_cast<std::uint32_t>(flag)) != 0; }

 private:
  friend class NarInfoParser;
  NarInfo(StorePath store_path, Hash nar_hash)
      : store_path_(std::move(store_path)), nar_hash_(nar_hash) {}

  std::string text_;
  StorePath store_path_;
  Hash nar_hash_;
  std::uint64_t nar_size_ = 0;
  std::vector<StorePath> references_;
  std::string url_;
  Compression compression_ = Compression::kBzip2;
  std::optional<Hash> file_hash_;
  std::optional<std::uint64_t> file_size_;
  std::optional<StorePath> deriver_;
  std::vector<Signature> signatures_;
  std::optional<ContentAddress> ca_;
  std::uint32_t flags_ = 0;
};

}  // namespace hnx::nix
