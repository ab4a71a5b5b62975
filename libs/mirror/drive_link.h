// DriveLink: the symlink by which the index drive lists a NAR that lies in a shard:
//
//   /nar/<file>  ->  ../../<shard id>/nar/<file>
//
// so that stock JavaScript, having mirrored the index to DIR/<index id> and each shard to
// DIR/<shard id>, holds a folder in which the links resolve. A reader follows a link only when it
// has exactly this form; whether the shard is listed in /mirror.json is for the reader to check.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::mirror {

struct DriveLink {
  hyper::DriveKey shard;
  std::string file;

  // `file` must be a safe name (index_layout.h).
  static std::string Make(const hyper::DriveKey& shard, std::string_view file);
  // kInvalidArgument: any other form, or another file name than that of `link_path`
  // ("/nar/<file>").
  static Result<DriveLink> Parse(std::string_view link_path, std::string_view linkname);
};

}  // namespace hnx::mirror
