// NoiseHandshake: Noise_XX_Ed25519_ChaChaPoly_BLAKE2b, with which two peers agree on keys and prove
// their public keys to each other. Three messages without payload, of exactly kNoiseMessageSizes
// bytes, the initiator's first. Sans-I/O. Format: docs/formats/secret-stream.md.
//
// One thread. A handshake that failed is over.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/session_crypto.h"
#include "hyper/wire/handshake_hash.h"

namespace hnx::hyper {

inline constexpr std::array<std::size_t, 3> kNoiseMessageSizes = {32, 96, 64};

// What a handshake leaves, and what a bridge hands over.
struct SessionKeys {
  SessionKey tx;
  SessionKey rx;
  HandshakeHash hash;
  PublicKey public_key;  // this side's
  PublicKey remote_public_key;
};

class NoiseHandshake {
 public:
  NoiseHandshake(bool is_initiator, KeyPair static_key);
  // With a given ephemeral key: for known-answer tests only.
  NoiseHandshake(bool is_initiator, KeyPair static_key, KeyPair ephemeral_key);

  // Whether the next message is this side's, and what it is. Send changes the state.
  bool my_turn() const { return !done() && (step_ % 2 == 0) == is_initiator_; }
  Result<Bytes> Send();
  // kUnauthenticated: forged, damaged, or a key with which no secret can be shared.
  Result<void> Receive(ByteView message);
  // How many bytes the next message has.
  std::size_t next_size() const { return kNoiseMessageSizes.at(step_); }

  bool done() const { return step_ == kNoiseMessageSizes.size(); }
  // Once, when done.
  SessionKeys TakeKeys();

 private:
  void MixHash(ByteView bytes);
  Result<void> MixKey(const SecretKey& local, const PublicKey& remote);
  void AppendEncrypted(Bytes& out, ByteView plaintext);
  Result<void> DecryptInto(ByteView sealed, std::span<std::byte> out);

  const bool is_initiator_;
  const KeyPair static_key_;
  const KeyPair ephemeral_key_;
  PublicKey remote_static_;
  PublicKey remote_ephemeral_;
  std::size_t step_ = 0;
  Digest512 hash_;
  Digest512 chaining_key_;
  std::optional<SessionKey> cipher_key_;
  std::uint64_t counter_ = 0;
};

}  // namespace hnx::hyper
