#include "corestore7/store_keys.h"

namespace hnx::corestore7 {

namespace {

enum class Top : std::uint8_t { kStoreHead = 0, kCoreRecord = 1, kCore = 3, kData = 4 };
constexpr std::uint64_t kCoreAuth = 0;
enum class Data : std::uint8_t { kHead = 0, kHints = 2, kBlock = 3, kNode = 4, kBitfield = 5 };
// The only kind of bitfield page there is.
constexpr std::uint64_t kPresentPage = 0;

Bytes TopKey(Top top) {
  Bytes key;
  AppendIndexUint(key, static_cast<std::uint64_t>(top));
  return key;
}

Bytes DataKey(std::uint64_t data_pointer, Data data) {
  Bytes key = TopKey(Top::kData);
  AppendIndexUint(key, data_pointer);
  AppendIndexUint(key, static_cast<std::uint64_t>(data));
  return key;
}

}  // namespace

void AppendIndexUint(Bytes& key, std::uint64_t value) {
  constexpr std::uint64_t kOneByteMax = 0xfb;
  constexpr unsigned kTwo = 0xfc;
  constexpr unsigned kFour = 0xfd;
  constexpr unsigned kEight = 0xfe;
  if (value <= kOneByteMax) {
    key.push_back(static_cast<std::byte>(value));
    return;
  }
  const int bytes = value <= UINT16_MAX ? 2 : value <= UINT32_MAX ? 4 : 8;
  key.push_back(std::byte(bytes == 2 ? kTwo : bytes == 4 ? kFour : kEight));
  for (int i = bytes - 1; i >= 0; --i) {
    key.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
}

Bytes StoreHeadKey() {
  return TopKey(Top::kStoreHead);
}

Bytes CoreRecordKey(const hyper::DiscoveryKey& discovery_key) {
  Bytes key = TopKey(Top::kCoreRecord);
  AppendTo(key, discovery_key.view());
  return key;
}

Bytes AuthKey(std::uint64_t core_pointer) {
  Bytes key = TopKey(Top::kCore);
  AppendIndexUint(key, core_pointer);
  AppendIndexUint(key, kCoreAuth);
  return key;
}

Bytes HeadKey(std::uint64_t data_pointer) {
  return DataKey(data_pointer, Data::kHead);
}

Bytes HintsKey(std::uint64_t data_pointer) {
  return DataKey(data_pointer, Data::kHints);
}

Bytes BlockKey(std::uint64_t data_pointer, hyper::BlockIndex block) {
  Bytes key = DataKey(data_pointer, Data::kBlock);
  AppendIndexUint(key, block.value());
  return key;
}

Bytes NodeKey(std::uint64_t data_pointer, hyper::TreeIndex node) {
  Bytes key = DataKey(data_pointer, Data::kNode);
  AppendIndexUint(key, node.value());
  return key;
}

Bytes PageKey(std::uint64_t data_pointer, std::uint64_t page) {
  Bytes key = DataKey(data_pointer, Data::kBitfield);
  AppendIndexUint(key, page);
  AppendIndexUint(key, kPresentPage);
  return key;
}

}  // namespace hnx::corestore7
