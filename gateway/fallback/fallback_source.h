// FallbackSource: a mirror, and ordinary binary caches for what it lacks or nobody can send now.
// A narinfo of theirs is given only when a trusted key has signed it and its NAR can be had.
//
// It remembers the narinfos that it gave, the mirror's too: they say what a NAR has to be. A NAR
// whose narinfo nobody asked it for (a client kept it, the gateway was started anew) is not looked
// for at fallbacks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/fallback/fallback_nars.h"
#include "gateway/substituter/mirror_source.h"
#include "gateway/substituter/nar_metrics.h"

namespace hnx::gateway {

class FallbackSource final : public MirrorSource {
 public:
  // References must outlive the source.
  FallbackSource(MirrorSource& mirror, FallbackNars& nars, http::MetricsRegistry& metrics);

  bool may_wait() const override { return true; }
  std::uint64_t version() const override { return mirror_.version(); }
  Result<std::optional<std::string>> ReadFile(std::string_view path,
                                              std::uint64_t size_max) const override;
  Result<std::optional<SourceFile>> File(std::string_view path) const override;
  Result<std::optional<SourceFile>> Nar(std::string_view file) const override;
  Result<std::vector<SourceListing>> List(std::string_view folder,
                                          std::size_t count_max) const override {
    return mirror_.List(folder, count_max);
  }
  Result<bool> Refresh() override { return mirror_.Refresh(); }

 private:
  // nullptr: the fallbacks lack it.
  Result<KnownNars::Known> NarInfo(std::string_view hash) const;
  void Note(std::string_view hash, std::string_view text) const;
  std::optional<SourceFile> HeldNar(std::string_view file) const;

  MirrorSource& mirror_;
  FallbackNars& nars_;
  const NarMetrics counted_;
  mutable http::MetricCounter narinfos_;
};

}  // namespace hnx::gateway
