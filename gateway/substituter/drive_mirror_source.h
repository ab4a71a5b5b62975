// DriveMirrorSource: a mirror in local folders, followed while workers write to it. The index drive
// may appear after the gateway has started: until then the mirror is empty.
#pragma once

#include <atomic>
#include <memory>

#include "base/mutex.h"
#include "gateway/substituter/mirror_source.h"
#include "mirror/mirror_reader.h"

namespace hnx::gateway {

class DriveMirrorSource final : public MirrorSource {
 public:
  // `checked`: files are read through the drives' trees before they are sent.
  explicit DriveMirrorSource(mirror::MirrorReaderOptions options, bool checked = false);

  std::uint64_t version() const override { return version_; }
  Result<std::optional<std::string>> ReadFile(std::string_view path,
                                              std::uint64_t size_max) const override;
  Result<std::optional<SourceFile>> File(std::string_view path) const override;
  Result<std::optional<SourceFile>> Nar(std::string_view file) const override;
  Result<std::vector<SourceListing>> List(std::string_view folder,
                                          std::size_t count_max) const override;
  // kNotFound: the index drive is not there yet.
  Result<bool> Refresh() override;

 private:
  std::shared_ptr<mirror::MirrorReader> Reader() const HNX_EXCLUDES(mutex_);

  const mirror::MirrorReaderOptions options_;
  const bool checked_;
  std::atomic<std::uint64_t> version_{0};
  mutable Mutex mutex_;
  std::shared_ptr<mirror::MirrorReader> reader_ HNX_GUARDED_BY(mutex_);  // set once
};

}  // namespace hnx::gateway
