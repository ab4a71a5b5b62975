// A manifest from a peer. What decodes encodes to a form that decodes to the same manifest, and a
// signature under it is checked without a crash, whatever its bytes.
#include <cstdint>

#include "base/check.h"
#include "hyper/core/keys.h"
#include "hyper/core/manifest.h"
#include "hyper/core/tree_signature.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hnx::hyper;  // NOLINT(google-build-using-namespace): the target is this function
  const hnx::ByteView input = std::as_bytes(std::span(data, size));
  hnx::hyper::Decoder decoder(input);
  const hnx::Result<Manifest> manifest = Manifest::Decode(decoder);
  if (!manifest) {
    return 0;
  }
  const hnx::Bytes encoded = manifest->Encode();
  const hnx::Result<Manifest> again = Manifest::Decode(encoded);
  HNX_CHECK(again.has_value() && *again == *manifest);
  const CoreIdentity identity{CoreKeyOf(*manifest), *manifest};
  HNX_CHECK(identity.Check().has_value());
  // The rest of the input is the signature.
  const CoreHead head{1, 0, 1, Hash{}, hnx::ToBytes(decoder.rest())};
  (void)VerifyTree(identity, head);
  return 0;
}
