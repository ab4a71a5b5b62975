#include "nix/nar_file_verifier.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "nix/content_check.h"
#include "nix/nar_reader.h"
#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

class StreamingVerifier final : public NarFileVerifier {
 public:
  StreamingVerifier(const NarExpectation& expectation, std::unique_ptr<Decompressor> decompressor)
      : expectation_(expectation),
        decompressor_(std::move(decompressor)),
        content_check_(MakeContentCheck(expectation)),
        reader_(content_check_.has_value() ? &*content_check_ : nullptr, expectation.nar_size),
        sink_([this](ByteView nar) { return TakeNar(nar); }) {}

  Result<void> Feed(ByteView bytes) override {
    if (failure_.has_value()) {
      return *failure_;
    }
    file_hasher_.Update(bytes);
    file_size_ += bytes.size();
    return Remember(decompressor_->Feed(bytes, sink_));
  }

  Result<NarFileVerdict> Finish() override {
    if (failure_.has_value()) {
      return *failure_;
    }
    HNX_TRY(Remember(decompressor_->Finish(sink_)));
    HNX_TRY(Remember(CheckNar()));
    return MakeVerdict();
  }

  std::uint64_t nar_bytes() const override { return nar_size_; }

 private:
  static std::optional<ContentCheck> MakeContentCheck(const NarExpectation& expectation) {
    if (!expectation.content_address.has_value()) {
      return std::nullopt;
    }
    return ContentCheck(*expectation.content_address, expectation.self_reference);
  }

  Result<void> Remember(Result<void> result) {
    if (!result.has_value()) {
      failure_ = result.error();
    }
    return result;
  }

  Result<void> TakeNar(ByteView nar) {
    if (nar.size() > expectation_.nar_size - nar_size_) {
      return Reject(ErrorCode::kDataLoss, RejectReason::kNarSizeMismatch,
                    fmt::format("verify NAR: it is longer than the {} bytes of NarSize",
                                expectation_.nar_size));
    }
    nar_size_ += nar.size();
    nar_hasher_.Update(nar);
    if (content_check_.has_value()) {
      HNX_TRY(content_check_->UpdateNar(nar));
    }
    return reader_.Feed(nar);
  }

  // After the last byte: completeness, size, hash, content.
  Result<void> CheckNar() {
    auto complete = reader_.Finish();
    if (!complete.has_value()) {
      // Without compression nothing else tells a cut download from a bad file.
      const bool cut = expectation_.compression == Compression::kNone;
      return Error{cut ? ErrorCode::kUnavailable : ErrorCode::kDataLoss, complete.error().message};
    }
    if (nar_size_ != expectation_.nar_size) {
      return Reject(
          ErrorCode::kDataLoss, RejectReason::kNarSizeMismatch,
          fmt::format("verify NAR: {} bytes, but NarSize is {}", nar_size_, expectation_.nar_size));
    }
    const Hash nar_hash = Hash::FromSha256(nar_hasher_.Finish());
    if (!(nar_hash == expectation_.nar_hash)) {
      return Reject(ErrorCode::kDataLoss, RejectReason::kNarHashMismatch,
                    fmt::format("verify NAR: its hash is {}, but NarHash is {}", nar_hash.ToNix32(),
                                expectation_.nar_hash.ToNix32()));
    }
    return content_check_.has_value() ? content_check_->Finish(nar_hash) : Result<void>{};
  }

  NarFileVerdict MakeVerdict() {
    const Hash file_hash = Hash::FromSha256(file_hasher_.Finish());
    NarFileVerdict verdict{.file_size = file_size_, .file_hash = file_hash, .nar_size = nar_size_};
    verdict.file_hash_drift =
        expectation_.file_hash.has_value() && !(*expectation_.file_hash == file_hash);
    verdict.file_size_drift =
        expectation_.file_size.has_value() && *expectation_.file_size != file_size_;
    verdict.case_hack_name = reader_.saw_case_hack_name();
    verdict.high_ratio = nar_size_ / std::max<std::uint64_t>(file_size_, 1) > kHighRatio;
    return verdict;
  }

  const NarExpectation expectation_;
  std::unique_ptr<Decompressor> decompressor_;
  std::optional<ContentCheck> content_check_;
  NarReader reader_;
  const Sink sink_;
  Sha256 file_hasher_;
  Sha256 nar_hasher_;
  std::uint64_t file_size_ = 0;
  std::uint64_t nar_size_ = 0;
  std::optional<Error> failure_;
};

}  // namespace

NarExpectation NarExpectation::Of(const NarInfo& info, const Trust& trust) {
  NarExpectation expectation{.compression = info.compression(),
                             .nar_hash = info.nar_hash(),
                             .nar_size = info.nar_size(),
                             .file_hash = info.file_hash(),
                             .file_size = info.file_size(),
                             .content_address = std::nullopt,
                             .self_reference = std::nullopt};
  if (trust.by == Trust::By::kContentAddress) {
    expectation.content_address = info.ca();
    if (std::binary_search(info.references().begin(), info.references().end(), info.store_path())) {
      expectation.self_reference = info.store_path().hash();
    }
  }
  return expectation;
}

Result<std::unique_ptr<NarFileVerifier>> NarFileVerifier::Create(const NarExpectation& expectation,
                                                                 const DecompressorLimits& limits) {
  HNX_ASSIGN_OR_RETURN(auto decompressor, Decompressor::Create(expectation.compression, limits));
  return std::unique_ptr<NarFileVerifier>(
      std::make_unique<StreamingVerifier>(expectation, std::move(decompressor)));
}

}  // namespace hnx::nix
