#include "hyp/drive_source.h"

#include <utility>

#include "hyp/local_mirror.h"

namespace hnx::hyp {

void DriveSource::AddTo(CLI::App& command) {
  folders.AddTo(command);
}

Result<std::unique_ptr<OpenedMirror>> DriveSource::Open(const hyper::DriveKey& key,
                                                        const Wish& /*wish*/) const {
  HNX_ASSIGN_OR_RETURN(std::shared_ptr<mirror::MirrorReader> reader, folders.Open(key));
  return std::unique_ptr<OpenedMirror>(std::make_unique<LocalMirror>(std::move(reader)));
}

}  // namespace hnx::hyp
