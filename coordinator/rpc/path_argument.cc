#include "coordinator/rpc/path_argument.h"

#include "nix/store_path.h"

namespace hnx::coordinator {

Result<std::string> HashPartOf(const std::string& text) {
  if (text.starts_with("/")) {
    HNX_ASSIGN_OR_RETURN(const nix::StorePath path, nix::StorePath::Parse(text));
    return std::string(path.hash_part());
  }
  if (text.size() == nix::kStorePathHashLength) {
    HNX_ASSIGN_OR_RETURN(const nix::StorePathHash hash, nix::StorePathHash::Parse(text));
    return hash.ToString();
  }
  HNX_ASSIGN_OR_RETURN(const nix::StorePath path, nix::StorePath::ParseBaseName(text));
  return std::string(path.hash_part());
}

}  // namespace hnx::coordinator
