// LocalMirror: an OpenedMirror in folders of this machine.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "hyp/opened_mirror.h"
#include "mirror/mirror_reader.h"

namespace hnx::hyp {

class LocalMirror final : public OpenedMirror {
 public:
  explicit LocalMirror(std::shared_ptr<mirror::MirrorReader> reader) : reader_(std::move(reader)) {}

  std::shared_ptr<const mirror::MirrorView> view() const override { return reader_; }
  Result<bool> Refresh() override { return reader_->Refresh(); }
  bool from_afar() const override { return false; }
  Result<void> FetchEntries(const hyper::DriveKey& /*key*/, const OnHeld& /*on_held*/) override {
    return {};
  }
  void GiveBack(const hyper::DriveKey& /*key*/, const hyper::BlobId& /*blob*/) override {}

  Result<DriveFacts> Facts() override {
    const auto index = reader_->index();
    return DriveFacts{index->folder().string(), index->content_length(),
                      index->content_byte_length(), std::nullopt};
  }
  bool IsHere(const hyper::DriveKey& shard) const override {
    const auto found = reader_->shard(shard);
    return found && *found != nullptr;
  }

 private:
  const std::shared_ptr<mirror::MirrorReader> reader_;
};

}  // namespace hnx::hyp
