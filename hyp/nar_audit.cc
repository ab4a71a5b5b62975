#include "hyp/nar_audit.h"

#include <fmt/core.h>

#include "hyp/link_resolver.h"
#include "mirror/index_layout.h"
#include "nix/nar_file_verifier.h"
#include "nix/nar_info.h"

namespace hnx::hyp {

bool NarAudit::IsNarInfoPath(std::string_view path) {
  return path.size() == 1 + nix::kStorePathHashLength + mirror::kNarInfoSuffix.size() &&
         path.ends_with(mirror::kNarInfoSuffix);
}

void NarAudit::CheckNarInfo(const std::string& path) {
  ++narinfos_;
  if (const auto checked = Check(path); !checked) {
    findings_.Add(fmt::format("{}: {}", path.substr(1), checked.error().message));
  }
}

Result<void> NarAudit::Check(const std::string& path) {
  HNX_ASSIGN_OR_RETURN(const auto hash, nix::StorePathHash::Parse(std::string_view(path).substr(
                                            1, path.size() - 1 - mirror::kNarInfoSuffix.size())));
  HNX_ASSIGN_OR_RETURN(const auto text, mirror_.ReadIndexFile(path, nix::kNarInfoSizeMax));
  if (!text) {
    return NotFound("the entry is no file");
  }
  HNX_ASSIGN_OR_RETURN(const auto info, nix::NarInfo::Parse(AsText(*text), hash));
  HNX_ASSIGN_OR_RETURN(const auto trust, nix::VerifyNarInfo(info, keys_));
  HNX_TRY(CheckReferences(info));
  return CheckNar(info, trust);
}

Result<void> NarAudit::CheckReferences(const nix::NarInfo& info) const {
  for (const nix::StorePath& reference : info.references()) {
    HNX_ASSIGN_OR_RETURN(const auto entry,
                         mirror_.index_view()->Entry(mirror::NarInfoPath(reference.hash_part())));
    if (!entry) {
      return DataLoss(
          fmt::format("it refers to {}, which is not published", reference.base_name()));
    }
  }
  return {};
}

Result<bool> NarAudit::IsElsewhere(const std::string& nar_path) const {
  HNX_ASSIGN_OR_RETURN(const auto entry, mirror_.index_view()->Entry(nar_path));
  if (!entry) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const auto file, LinkResolver(mirror_).Resolve(*entry));
  return file && !file->here;
}

Result<void> NarAudit::CheckNar(const nix::NarInfo& info, const nix::Trust& trust) {
  const std::string name(info.nar_file_name());
  HNX_ASSIGN_OR_RETURN(const auto file, mirror_.ResolveNar(name));
  if (!file) {
    HNX_ASSIGN_OR_RETURN(const bool elsewhere, IsElsewhere(mirror::NarPath(name)));
    if (elsewhere) {
      ++not_here_;
      return {};
    }
    return NotFound(fmt::format("its NAR {} is absent", mirror::NarPath(name)));
  }
  HNX_ASSIGN_OR_RETURN(const auto verifier,
                       nix::NarFileVerifier::Create(nix::NarExpectation::Of(info, trust)));
  const auto read =
      file->drive->ReadBlob(file->blob, 0, file->size_bytes(), [&](ByteView piece) -> Result<void> {
        bytes_ += piece.size();
        return verifier->Feed(piece);
      });
  if (on_read_) {
    on_read_(*file);
  }
  if (!read) {
    return read.error().Annotate("its NAR " + mirror::NarPath(name));
  }
  if (const auto verdict = verifier->Finish(); !verdict) {
    return verdict.error().Annotate("its NAR " + mirror::NarPath(name));
  }
  ++nars_;
  return {};
}

}  // namespace hnx::hyp
