#include "hyper/core/blake2b.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace hnx::hyper {
namespace {

// The words of SHA-512, as RFC 7693 section 2.6 takes them.
constexpr std::array<std::uint64_t, 8> kInitial = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

// Parameter block: 32 bytes of digest, no key, fanout 1, depth 1.
constexpr std::uint64_t kParameters = 0x01010020;

// The message schedule of section 2.7; rounds 10 and 11 repeat 0 and 1.
constexpr std::array<std::array<std::uint8_t, 16>, 12> kSchedule = {{
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
}};

using Words = std::array<std::uint64_t, 16>;

[[gnu::always_inline]] inline void Mix(std::uint64_t& a, std::uint64_t& b, std::uint64_t& c,
                                       std::uint64_t& d, std::uint64_t x, std::uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

// The round is a template argument, so that every index into the message is a constant.
template <std::size_t kRound>
[[gnu::always_inline]] inline void MixRound(Words& v, const Words& m) {
  constexpr const std::array<std::uint8_t, 16>& s = kSchedule[kRound];
  Mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  Mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  Mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  Mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  Mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  Mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  Mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  Mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

template <std::size_t... kRounds>
[[gnu::always_inline]] inline void MixAll(Words& v, const Words& m,
                                          std::index_sequence<kRounds...> /*rounds*/) {
  (MixRound<kRounds>(v, m), ...);
}

}  // namespace

Blake2b256::Blake2b256() : state_(kInitial), buffer_{} {
  state_[0] ^= kParameters;
}

void Blake2b256::Compress(const std::byte* block, bool last) {
  static_assert(std::endian::native == std::endian::little);
  Words m{};
  std::memcpy(m.data(), block, kBlockBytes);
  Words v{};
  std::copy(state_.begin(), state_.end(), v.begin());
  std::copy(kInitial.begin(), kInitial.end(), v.begin() + 8);
  v[12] ^= hashed_bytes_;
  if (last) {
    v[14] = ~v[14];
  }
  MixAll(v, m, std::make_index_sequence<kSchedule.size()>());
  for (std::size_t i = 0; i < state_.size(); ++i) {
    state_[i] ^= v[i] ^ v[i + 8];
  }
}

void Blake2b256::Update(ByteView bytes) {
  if (bytes.empty()) {
    return;
  }
  // The last block is compressed by Finish, so a full buffer waits until more comes.
  if (buffered_ + bytes.size() > kBlockBytes && buffered_ > 0) {
    const std::size_t taken = kBlockBytes - buffered_;
    std::memcpy(buffer_.data() + buffered_, bytes.data(), taken);
    bytes = bytes.subspan(taken);
    hashed_bytes_ += kBlockBytes;
    Compress(buffer_.data(), false);
    buffered_ = 0;
  }
  while (bytes.size() > kBlockBytes) {
    hashed_bytes_ += kBlockBytes;
    Compress(bytes.data(), false);
    bytes = bytes.subspan(kBlockBytes);
  }
  std::memcpy(buffer_.data() + buffered_, bytes.data(), bytes.size());
  buffered_ += bytes.size();
}

std::array<std::byte, 32> Blake2b256::Finish() {
  hashed_bytes_ += buffered_;
  std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), buffer_.end(), std::byte{0});
  Compress(buffer_.data(), true);
  std::array<std::byte, 32> digest{};
  std::memcpy(digest.data(), state_.data(), digest.size());
  return digest;
}

}  // namespace hnx::hyper
