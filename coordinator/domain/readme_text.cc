#include "coordinator/domain/readme_text.h"

#include <fmt/format.h>

#include "base/hex.h"

namespace hnx::coordinator {

std::string ReadmeText(ByteView index_key, std::span<const std::string> upstreams) {
  return fmt::format(
      R"(A mirror of Nix packages from {1}

This is the index drive of a mirror made by hypercore-nixos. Its key is its name:

  {0}

  /<hash>.narinfo          one for each mirrored store path, byte for byte as upstream served it
  /nar/<file>              links to the NAR files, which lie in shard drives: ../../<shard>/nar/<file>
  /mirror.json             the shards, with their keys
  /channels/<channel>/     releases: their own files, manifest.json (what is complete and what is
                           not), listing.zst (every path and where its NAR lies)

Everything here was verified against upstream's signatures before it was added, and is only
added when everything it refers to is here too. You need trust no new key: Nix checks the same
signatures again.

To substitute from it, run a gateway next to your Nix (hypercore-nixos, "gateway serve") and add
its address to `substituters` in nix.conf. To list and fetch files: "hyp ls" and "hyp get".
With the stock tools of Holepunch: mirror this drive into DIR/<its id> and each shard of
mirror.json into DIR/<its id>, ids in z-base-32; the links then resolve, and DIR/<index id> is a
binary cache that any web server can serve.
)",
      EncodeHex(index_key), fmt::join(upstreams, " and "));
}

}  // namespace hnx::coordinator
