// What encrypted connections are made of: BLAKE2b-512, Diffie-Hellman on Ed25519 keys, ChaCha20-
// Poly1305 for the handshake and libsodium's secretstream for what follows it. Implemented in
// crypto.cc, the one file of this library that uses libsodium.
//
// Functions may be called from any thread, an object from one at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "hyper/core/crypto.h"

namespace hnx::hyper {

// Bytes that wipe themselves, move (leaving zeros) but do not copy, and have no way into a log
// line.
template <std::size_t N>
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::span<const std::byte, N> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  SecretBytes(SecretBytes&& other) noexcept : bytes_(other.bytes_) { Wipe(other.bytes_); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      Wipe(other.bytes_);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { Wipe(bytes_); }

  ByteView view() const { return bytes_; }
  std::span<std::byte, N> span() { return bytes_; }

 private:
  std::array<std::byte, N> bytes_{};
};

using Digest512 = SecretBytes<64>;
using SessionKey = SecretBytes<32>;

// BLAKE2b-512 of the concatenation.
Digest512 Hash512Of(std::initializer_list<ByteView> parts);

// The shared point of an Ed25519 key pair and a remote Ed25519 public key (docs/formats/
// secret-stream.md). Nothing when the remote key is no point of the main subgroup: a small-order
// point would make the secret known to everybody.
std::optional<SessionKey> DiffieHellman(const SecretKey& local, const PublicKey& remote);

inline constexpr std::size_t kAeadOverhead = 16;
// ChaCha20-Poly1305 (IETF): `out` is kAeadOverhead longer than `plaintext`.
void AeadSeal(const SessionKey& key, std::uint64_t counter, ByteView associated, ByteView plaintext,
              std::span<std::byte> out);
// False when it was not sealed with these; `out` is kAeadOverhead shorter than `sealed`.
bool AeadOpen(const SessionKey& key, std::uint64_t counter, ByteView associated, ByteView sealed,
              std::span<std::byte> out);

// secretstream_xchacha20poly1305. A sealed message is 1 (tag) + plaintext + 16 (MAC) bytes.
inline constexpr std::size_t kStreamCipherOverhead = 17;
inline constexpr std::size_t kStreamCipherHeaderSize = 24;

class StreamCipherState {
 protected:
  static constexpr std::size_t kStateSize = 52;
  alignas(8) SecretBytes<kStateSize> state_;
};

class StreamSealer : private StreamCipherState {
 public:
  // Writes the header that the opener needs.
  StreamSealer(const SessionKey& key, std::span<std::byte, kStreamCipherHeaderSize> header_out);
  // In place: the plaintext lies one byte into `message` and 16 bytes short of its end.
  void Seal(std::span<std::byte> message);
};

class StreamOpener : private StreamCipherState {
 public:
  StreamOpener(const SessionKey& key, std::span<const std::byte, kStreamCipherHeaderSize> header);
  // In place; the plaintext lies where Seal took it from. Nothing when the message is not the next
  // one of the stream, or has another tag than MESSAGE. `message` has at least the overhead.
  std::optional<ByteView> Open(std::span<std::byte> message);
};

}  // namespace hnx::hyper
