#include "coordinator/store/zstd_artifact.h"

#include <utility>

#include "base/check.h"

namespace hnx::coordinator {

ZstdArtifact::ZstdArtifact(std::unique_ptr<ArtifactWriter> writer)
    : writer_(std::move(writer)), context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize()) {
  constexpr int kLevel = 9;
  HNX_CHECK(context_ != nullptr);
  HNX_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel)));
  HNX_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1)));
}

Result<void> ZstdArtifact::Append(ByteView bytes) {
  return Run(bytes, ZSTD_e_continue);
}

Result<ArtifactId> ZstdArtifact::Finish() {
  HNX_TRY(Run({}, ZSTD_e_end));
  return writer_->Finish(sha256_.Finish());
}

Result<void> ZstdArtifact::Run(ByteView bytes, ZSTD_EndDirective directive) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (;;) {
    ZSTD_outBuffer out{out_.data(), out_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
    if (ZSTD_isError(left) != 0) {
      return Internal(std::string("compress: ") + ZSTD_getErrorName(left));
    }
    const ByteView made = ByteView(out_).first(out.pos);
    sha256_.Update(made);
    HNX_TRY(writer_->Append(made));
    if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) {
      return {};
    }
  }
}

}  // namespace hnx::coordinator
