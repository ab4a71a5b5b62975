// hyper://<key>/<path>: how drives and files in them are named on the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::hyp {

struct Address {
  hyper::DriveKey key;
  std::string path;  // normal form of hyper/drive/drive_path.h; empty for the root

  // The scheme may be missing. kInvalidArgument says what an address looks like.
  static Result<Address> Parse(std::string_view text);

  // "hyper://<64 hex digits>", for people to copy.
  std::string root() const;
};

}  // namespace hnx::hyp
