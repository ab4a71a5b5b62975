#include "nix/nar_info.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "nix/nix_base32.h"
#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

constexpr std::string_view kUrlFolder = "nar/";
constexpr std::string_view kUrlExtension = ".nar";
constexpr std::string_view kUrlHashQuery = "?hash=";
constexpr std::size_t kUrlDigitsLength = NixBase32Length(kSha256Size);  // 52
constexpr std::size_t kSizeDigitsMax = 19;                              // always below 2^64

// Text of others in our messages: enough to recognise it, and nothing that disturbs a terminal.
std::string Quote(std::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string quoted = "'";
  for (const char c : text.substr(0, kShown)) {
    if (c >= ' ' && c <= '~') {
      quoted.push_back(c);
    } else {
      quoted.append(fmt::format("\\x{:02x}", static_cast<unsigned char>(c)));
    }
  }
  return quoted.append(text.size() > kShown ? "...'" : "'");
}

Error Bad(RejectReason reason, std::string_view what) {
  return Reject(ErrorCode::kInvalidArgument, reason, what);
}

// The words of the inner error under a reason of the field's own.
Error BadField(RejectReason reason, std::string_view key, std::string_view value,
               const Error& cause) {
  return Bad(reason, fmt::format("{} {}: {}", key, Quote(value), cause.message));
}

bool IsDigits(std::string_view text) {
  return !text.empty() && text.size() <= kSizeDigitsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  std::uint64_t value = 0;
  if (!IsDigits(text)) {
    return std::nullopt;
  }
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value == 0 ? std::nullopt : std::optional(value);
}

bool IsKeyCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool LooksLikeHtml(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos || text[first] == '<';
}

// What stands behind "nar/<52 digits>.nar", or nothing when the URL does not begin like that.
std::optional<std::string_view> SuffixOfUrl(std::string_view url) {
  if (!url.starts_with(kUrlFolder)) {
    return std::nullopt;
  }
  url.remove_prefix(kUrlFolder.size());
  const std::string_view digits = url.substr(0, kUrlDigitsLength);
  const bool good =
      digits.size() == kUrlDigitsLength && std::all_of(digits.begin(), digits.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
      });
  url.remove_prefix(digits.size());
  if (!good || !url.starts_with(kUrlExtension)) {
    return std::nullopt;
  }
  return url.substr(kUrlExtension.size());
}

}  // namespace

// Collects the fields of one narinfo; each Take* answers for one key.
class NarInfoParser {
 public:
  NarInfoParser(std::string_view text, const StorePathHash& requested, const NarInfoPolicy& policy)
      : text_(text), requested_(requested), policy_(policy) {}

  Result<NarInfo> Parse() {
    HNX_TRY(CheckWhole());
    for (std::size_t begin = 0; begin < text_.size();) {
      const std::size_t end = text_.find('\n', begin);
      HNX_TRY(TakeLine(text_.substr(begin, end - begin)));
      begin = end + 1;
    }
    return Build();
  }

 private:
  // The fields that may appear once, in upstream's order.
  enum Field : std::size_t {
    kStorePath,
    kUrl,
    kCompression,
    kFileHash,
    kFileSize,
    kNarHash,
    kNarSize,
    kReferences,
    kDeriver,
    kCa,
    kFieldCount
  };
  static constexpr std::array<std::string_view, kFieldCount> kFieldNames{
      "StorePath", "URL",     "Compression", "FileHash", "FileSize",
      "NarHash",   "NarSize", "References",  "Deriver",  "CA"};

  Result<void> CheckWhole() const {
    if (text_.size() > kNarInfoSizeMax) {
      return Bad(RejectReason::kNarInfoLimit,
                 fmt::format("{} bytes, over {}", text_.size(), kNarInfoSizeMax));
    }
    if (LooksLikeHtml(text_)) {
      return Reject(ErrorCode::kUnavailable, RejectReason::kNotANarInfo,
                    text_.empty() ? "the body is empty" : "the body is a web page or blank");
    }
    if (text_.back() != '\n') {
      return Reject(ErrorCode::kUnavailable, RejectReason::kNarInfoTruncated,
                    "the last line does not end; the answer was cut");
    }
    return {};
  }

  Result<void> TakeLine(std::string_view line) {
    const auto* const key_end = std::find_if_not(line.begin(), line.end(), IsKeyCharacter);
    const auto key = line.substr(0, static_cast<std::size_t>(key_end - line.begin()));
    const std::string_view rest = line.substr(key.size());
    if (key.empty() || !rest.starts_with(": ") || !IsPrintable(rest)) {
      return Bad(RejectReason::kNarInfoSyntax,
                 fmt::format("line {} is not 'Key: value' in printable ASCII", Quote(line)));
    }
    const std::string_view value = rest.substr(2);
    if (key == "Sig") {
      return TakeSignature(value);
    }
    const auto* const found = std::find(kFieldNames.begin(), kFieldNames.end(), key);
    if (found == kFieldNames.end()) {
      Flag(NarInfoFlag::kUnknownField);
      return {};
    }
    const auto field = static_cast<std::size_t>(found - kFieldNames.begin());
    if (values_[field].has_value()) {
      return Bad(RejectReason::kFieldDuplicate, fmt::format("{} stands there twice", key));
    }
    values_[field] = value;
    return {};
  }

  Result<void> TakeSignature(std::string_view value) {
    if (++signature_lines_ > kNarInfoSignaturesMax) {
      return Bad(RejectReason::kNarInfoLimit,
                 fmt::format("more than {} signatures", kNarInfoSignaturesMax));
    }
    auto signature = Signature::Parse(value);
    if (signature.has_value()) {
      signatures_.push_back(*std::move(signature));
      return {};
    }
    if (!policy_.allow_malformed_signatures) {
      return Bad(RejectReason::kSignatureMalformed,
                 fmt::format("Sig {}: {}", Quote(value), signature.error().message));
    }
    Flag(NarInfoFlag::kMalformedSignature);
    return {};
  }

  Result<NarInfo> Build() {
    for (const Field field : {kStorePath, kUrl, kNarHash, kNarSize}) {
      if (!values_[field].has_value()) {
        return Bad(RejectReason::kFieldMissing, fmt::format("no {}", kFieldNames[field]));
      }
    }
    HNX_ASSIGN_OR_RETURN(StorePath store_path, ParseStorePath(*values_[kStorePath]));
    HNX_ASSIGN_OR_RETURN(const Hash nar_hash, ParseSha256(kNarHash));
    NarInfo info(std::move(store_path), nar_hash);
    HNX_TRY(FillSizes(info));
    HNX_TRY(FillFile(info));
    HNX_TRY(FillReferences(info));
    HNX_TRY(FillOrigin(info));
    info.signatures_ = std::move(signatures_);
    info.text_ = text_;
    info.flags_ = flags_;
    return info;
  }

  Result<StorePath> ParseStorePath(std::string_view value) const {
    auto path = StorePath::Parse(value);
    if (!path.has_value()) {
      return BadField(RejectReason::kStorePathInvalid, "StorePath", value, path.error());
    }
    if (path->hash_part() != requested_.text()) {
      return Bad(RejectReason::kStorePathMismatch,
                 fmt::format("it describes {}, not the {} asked for", path->ToString(),
                             requested_.text()));
    }
    return path;
  }

  Result<Hash> ParseSha256(Field field) const {
    const std::string_view value = *values_[field];
    auto hash = Hash::Parse(value);
    if (!hash.has_value()) {
      return BadField(RejectReason::kHashInvalid, kFieldNames[field], value, hash.error());
    }
    if (hash->algorithm() != HashAlgorithm::kSha256) {
      return Bad(RejectReason::kHashInvalid,
                 fmt::format("{} {} is not a sha256", kFieldNames[field], Quote(value)));
    }
    return hash;
  }

  Result<void> FillSizes(NarInfo& info) const {
    const auto nar_size = ParseSize(*values_[kNarSize]);
    if (!nar_size.has_value() || *nar_size > policy_.nar_size_max) {
      return Bad(RejectReason::kNarSizeInvalid,
                 fmt::format("NarSize {} is not a number between 1 and {}",
                             Quote(*values_[kNarSize]), policy_.nar_size_max));
    }
    info.nar_size_ = *nar_size;
    if (values_[kFileSize].has_value()) {
      info.file_size_ = ParseSize(*values_[kFileSize]);
      if (!info.file_size_.has_value()) {
        return Bad(RejectReason::kFileSizeInvalid,
                   fmt::format("FileSize {} is not a positive number of at most {} digits",
                               Quote(*values_[kFileSize]), kSizeDigitsMax));
      }
    }
    return {};
  }

  // URL, Compression and FileHash: how to get the NAR.
  Result<void> FillFile(NarInfo& info) const {
    const std::string_view compression = values_[kCompression].value_or("");
    if (!compression.empty()) {  // absent or empty means bzip2, the oldest default
      auto parsed = ParseCompression(compression);
      if (!parsed.has_value()) {
        return BadField(RejectReason::kCompressionUnknown, "Compression", compression,
                        parsed.error());
      }
      info.compression_ = *parsed;
    }
    HNX_TRY(CheckUrl(*values_[kUrl]));
    HNX_TRY(CheckSuffix(*values_[kUrl], info.compression_));
    info.url_ = *values_[kUrl];
    if (values_[kFileHash].has_value()) {
      HNX_ASSIGN_OR_RETURN(info.file_hash_, ParseSha256(kFileHash));
    }
    return {};
  }

  // Only nar/<52 digits>.nar<suffix>: the URL is not signed, and clients would follow an absolute
  // one to any host or local file.
  Result<void> CheckUrl(std::string_view url) const {
    constexpr std::array<std::string_view, 8> kSuffixes{"",    ".xz",  ".zst",  ".bz2",
                                                        ".br", ".lz4", ".lzip", ".gz"};
    if (url.size() > kNarInfoUrlLengthMax) {
      return Bad(RejectReason::kUrlRefused,
                 fmt::format("URL has {} bytes, over {}", url.size(), kNarInfoUrlLengthMax));
    }
    auto suffix = SuffixOfUrl(url);
    if (suffix.has_value() && policy_.allow_url_hash_query) {
      const std::size_t query = suffix->find('?');
      if (query != std::string_view::npos && IsHashQuery(suffix->substr(query))) {
        suffix = suffix->substr(0, query);
      }
    }
    if (!suffix.has_value() ||
        std::find(kSuffixes.begin(), kSuffixes.end(), *suffix) == kSuffixes.end()) {
      return Bad(
          RejectReason::kUrlRefused,
          fmt::format("URL {} is not nar/<52 characters>.nar with a known suffix", Quote(url)));
    }
    return {};
  }

  // Where Compression is stated; where it is not, only the body can tell whether bzip2 is right.
  Result<void> CheckSuffix(std::string_view url, Compression compression) const {
    if (policy_.allow_suffix_mismatch || values_[kCompression].value_or("").empty()) {
      return {};
    }
    const std::string_view path = url.substr(0, url.find('?'));
    if (path.substr(kUrlFolder.size() + kUrlDigitsLength + kUrlExtension.size()) !=
        CompressionSuffix(compression)) {
      return Bad(RejectReason::kCompressionMismatch,
                 fmt::format("URL {} does not end as Compression {} does", Quote(url),
                             CompressionName(compression)));
    }
    return {};
  }

  static bool IsHashQuery(std::string_view query) {
    return query.starts_with(kUrlHashQuery) &&
           StorePathHash::Parse(query.substr(kUrlHashQuery.size())).has_value();
  }

  Result<void> FillReferences(NarInfo& info) {
    const std::string_view value = values_[kReferences].value_or("");
    for (std::size_t begin = 0; begin < value.size();) {
      const std::size_t end = std::min(value.find(' ', begin), value.size());
      if (end > begin) {  // clients take two blanks for one
        HNX_TRY(TakeReference(info, value.substr(begin, end - begin)));
      }
      begin = end + 1;
    }
    auto& references = info.references_;
    if (!std::is_sorted(references.begin(), references.end())) {
      Flag(NarInfoFlag::kUnsortedReferences);
      std::sort(references.begin(), references.end());
    }
    const auto repeated = std::unique(references.begin(), references.end());
    if (repeated != references.end()) {
      Flag(NarInfoFlag::kRepeatedReference);
      references.erase(repeated, references.end());
    }
    return {};
  }

  static Result<void> TakeReference(NarInfo& info, std::string_view base_name) {
    if (info.references_.size() == kNarInfoReferencesMax) {
      return Bad(RejectReason::kNarInfoLimit,
                 fmt::format("more than {} references", kNarInfoReferencesMax));
    }
    auto reference = StorePath::ParseBaseName(base_name);
    if (!reference.has_value()) {
      return BadField(RejectReason::kReferenceInvalid, "reference", base_name, reference.error());
    }
    info.references_.push_back(*std::move(reference));
    return {};
  }

  // Deriver and CA: where the path comes from.
  Result<void> FillOrigin(NarInfo& info) const {
    if (values_[kDeriver].has_value() && *values_[kDeriver] != "unknown-deriver") {
      auto deriver = StorePath::ParseBaseName(*values_[kDeriver]);
      if (!deriver.has_value()) {
        return BadField(RejectReason::kDeriverInvalid, "Deriver", *values_[kDeriver],
                        deriver.error());
      }
      if (!deriver->IsDerivation()) {
        return Bad(RejectReason::kDeriverInvalid,
                   fmt::format("Deriver {} is not a .drv", Quote(*values_[kDeriver])));
      }
      info.deriver_ = *std::move(deriver);
    }
    if (values_[kCa].has_value()) {
      auto ca = ContentAddress::Parse(*values_[kCa]);
      if (!ca.has_value()) {
        return BadField(RejectReason::kContentAddressInvalid, "CA", *values_[kCa], ca.error());
      }
      info.ca_ = *ca;
    }
    return {};
  }

  void Flag(NarInfoFlag flag) { flags_ |= static_cast<std::uint32_t>(flag); }

  const std::string_view text_;
  const StorePathHash& requested_;
  const NarInfoPolicy& policy_;
  std::array<std::optional<std::string_view>, kFieldCount> values_{};
  std::vector<Signature> signatures_;
  std::size_t signature_lines_ = 0;
  std::uint32_t flags_ = 0;
};

Result<NarInfo> NarInfo::Parse(std::string_view bytes, const StorePathHash& requested,
                               const NarInfoPolicy& policy) {
  auto info = NarInfoParser(bytes, requested, policy).Parse();
  if (!info.has_value()) {
    return info.error().Annotate(fmt::format("parse {}.narinfo", requested.text()));
  }
  return info;
}

std::string_view NarInfo::nar_file_name() const {
  const std::string_view name = std::string_view(url_).substr(kUrlFolder.size());
  return name.substr(0, name.find('?'));
}

}  // namespace hnx::nix
