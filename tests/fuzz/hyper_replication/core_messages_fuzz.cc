// A message of a peer; the first byte is its type. What decodes encodes to a message that decodes
// to the same bytes again, in exactly the size that was measured.
#include <cstdint>

#include "base/check.h"
#include "hyper/replication/core_messages.h"

namespace {

using namespace hnx::hyper;  // NOLINT(google-build-using-namespace): the target is this file

template <class Message>
void RoundTrip(const hnx::Result<Message>& decoded, hnx::Result<Message> (*decode)(hnx::ByteView)) {
  if (!decoded) {
    HNX_CHECK(decoded.error().code == hnx::ErrorCode::kInvalidArgument);
    return;
  }
  const hnx::Bytes encoded = Encoded(*decoded);
  const hnx::Result<Message> again = decode(encoded);
  HNX_CHECK(again.has_value());
  HNX_CHECK(Encoded(*again) == encoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const hnx::ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 10) {
    case 0:
      RoundTrip(DecodeSync(input), DecodeSync);
      break;
    case 1:
      RoundTrip(DecodeRequest(input), DecodeRequest);
      break;
    case 2:
      RoundTrip(DecodeCancel(input), DecodeCancel);
      break;
    case 3:
      RoundTrip(DecodeData(input), DecodeData);
      break;
    case 4:
      RoundTrip(DecodeNoData(input), DecodeNoData);
      break;
    case 5:
      RoundTrip(DecodeWant(input), DecodeWant);
      break;
    case 6:
      RoundTrip(DecodeCoreHandshake(input), DecodeCoreHandshake);
      break;
    case 7:
      RoundTrip(DecodeBitfield(input), DecodeBitfield);
      break;
    case 8:
      RoundTrip(DecodeRange(input), DecodeRange);
      break;
    default:
      (void)DecodeExtension(input);
      break;
  }
  return 0;
}
