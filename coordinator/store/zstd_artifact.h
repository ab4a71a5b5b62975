// ZstdArtifact: compresses what is appended into an ArtifactWriter as one zstd frame and hashes the
// compressed bytes. One thread.
#pragma once

#include <memory>

#include <zstd.h>

#include "base/result.h"
#include "coordinator/store/walk_store.h"
#include "nix/hash.h"

namespace hnx::coordinator {

class ZstdArtifact {
 public:
  explicit ZstdArtifact(std::unique_ptr<ArtifactWriter> writer);

  Result<void> Append(ByteView bytes);
  Result<ArtifactId> Finish();

 private:
  struct Deleter {
    void operator()(ZSTD_CCtx* context) const { (void)ZSTD_freeCCtx(context); }
  };
  Result<void> Run(ByteView bytes, ZSTD_EndDirective directive);

  std::unique_ptr<ArtifactWriter> writer_;
  std::unique_ptr<ZSTD_CCtx, Deleter> context_;
  nix::Sha256 sha256_;
  Bytes out_;
};

}  // namespace hnx::coordinator
