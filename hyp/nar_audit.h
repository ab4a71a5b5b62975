// NarAudit: every narinfo of a mirror against what it promises: a valid signature of a trusted key,
// references that are published too, and a NAR whose bytes have the signed hash.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "base/result.h"
#include "hyp/findings.h"
#include "mirror/mirror_view.h"
#include "nix/trusted_keys.h"

namespace hnx::hyp {

// Threads: CheckNarInfo may be called from any number at once.
class NarAudit {
 public:
  // All must outlive the audit.
  NarAudit(const mirror::MirrorView& mirror, const nix::TrustedKeys& keys, Findings& findings)
      : mirror_(mirror), keys_(keys), findings_(findings) {}
  // Called after each NAR that was read, by the thread that read it. Set before the first check.
  void SetOnRead(std::function<void(const mirror::MirrorFile&)> on_read) {
    on_read_ = std::move(on_read);
  }

  // "/<hash>.narinfo"
  static bool IsNarInfoPath(std::string_view path);
  void CheckNarInfo(const std::string& path);

  std::uint64_t narinfos() const { return narinfos_; }
  std::uint64_t nars() const { return nars_; }
  std::uint64_t bytes() const { return bytes_; }
  // NARs in shards that are not in our folders: not checked.
  std::uint64_t not_here() const { return not_here_; }

 private:
  Result<void> Check(const std::string& path);
  Result<void> CheckReferences(const nix::NarInfo& info) const;
  Result<void> CheckNar(const nix::NarInfo& info, const nix::Trust& trust);
  // Whether the NAR is linked into a listed shard that we do not have.
  Result<bool> IsElsewhere(const std::string& nar_path) const;

  const mirror::MirrorView& mirror_;
  const nix::TrustedKeys& keys_;
  Findings& findings_;
  std::function<void(const mirror::MirrorFile&)> on_read_;
  std::atomic<std::uint64_t> narinfos_{0};
  std::atomic<std::uint64_t> nars_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> not_here_{0};
};

}  // namespace hnx::hyp
