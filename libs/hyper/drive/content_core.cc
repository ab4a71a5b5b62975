#include "hyper/drive/content_core.h"

#include "hyper/bee/bee_node.h"
#include "hyper/core/crypto.h"

namespace hnx::hyper {

Manifest ContentManifestOf(const Manifest& db_manifest, const CoreKey& db_key) {
  const Namespace blobs = NamespaceOf("hyperdrive", 0);
  Manifest content;
  content.version = db_manifest.version;
  content.allow_patch = db_manifest.allow_patch;
  content.quorum = db_manifest.quorum;
  content.signers = db_manifest.signers;
  for (ManifestSigner& signer : content.signers) {
    signer.signer_namespace.bytes =
        HashOf({blobs.view(), db_key.view(), signer.signer_namespace.view()}).bytes;
  }
  return content;
}

Result<CoreKey> ContentKeyOf(const std::optional<Bytes>& header,
                             const std::optional<Manifest>& db_manifest, const CoreKey& db_key) {
  if (header) {
    HNX_ASSIGN_OR_RETURN(const BeeHeader decoded, DecodeBeeHeader(*header));
    if (decoded.content_feed && decoded.content_feed->size() >= CoreKey::kSize) {
      return CoreKey::FromBytes(ByteView(*decoded.content_feed).first(CoreKey::kSize),
                                "content key");
    }
  }
  if (!db_manifest || db_manifest->version < 1) {
    return InvalidArgument("the drive names no content core, and its manifest is too old to tell");
  }
  return CoreKeyOf(ContentManifestOf(*db_manifest, db_key));
}

}  // namespace hnx::hyper
