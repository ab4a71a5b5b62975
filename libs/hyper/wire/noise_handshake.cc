#include "hyper/wire/noise_handshake.h"

#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace hnx::hyper {
namespace {

constexpr std::string_view kProtocolName = "Noise_XX_Ed25519_ChaChaPoly_BLAKE2b";
constexpr std::size_t kHmacBlockSize = 128;
constexpr std::size_t kKeySize = PublicKey::kSize;

Digest512 Hmac(ByteView key, std::initializer_list<ByteView> parts) {
  HNX_CHECK(key.size() <= kHmacBlockSize && parts.size() <= 2);
  SecretBytes<kHmacBlockSize> inner;
  SecretBytes<kHmacBlockSize> outer;
  for (std::size_t i = 0; i < kHmacBlockSize; ++i) {
    const std::byte k = i < key.size() ? key[i] : std::byte{0};
    inner.span()[i] = k ^ std::byte{0x36};
    outer.span()[i] = k ^ std::byte{0x5c};
  }
  const ByteView first = parts.size() > 0 ? *parts.begin() : ByteView();
  const ByteView second = parts.size() > 1 ? *(parts.begin() + 1) : ByteView();
  const Digest512 digest = Hash512Of({inner.view(), first, second});
  return Hash512Of({outer.view(), digest.view()});
}

struct TwoKeys {
  Digest512 first;
  Digest512 second;
};

TwoKeys Hkdf(ByteView chaining_key, ByteView input) {
  const std::byte one{1};
  const std::byte two{2};
  const Digest512 prk = Hmac(chaining_key, {input});
  TwoKeys keys;
  keys.first = Hmac(prk.view(), {ByteView(&one, 1)});
  keys.second = Hmac(prk.view(), {keys.first.view(), ByteView(&two, 1)});
  return keys;
}

SessionKey FirstHalf(Digest512& digest) {
  return SessionKey(digest.span().first<32>());
}

}  // namespace

NoiseHandshake::NoiseHandshake(bool is_initiator, KeyPair static_key)
    : NoiseHandshake(is_initiator, std::move(static_key), KeyPair::Generate()) {}

NoiseHandshake::NoiseHandshake(bool is_initiator, KeyPair static_key, KeyPair ephemeral_key)
    : is_initiator_(is_initiator),
      static_key_(std::move(static_key)),
      ephemeral_key_(std::move(ephemeral_key)) {
  static_assert(kProtocolName.size() <= 64);
  std::memcpy(hash_.span().data(), kProtocolName.data(), kProtocolName.size());
  std::memcpy(chaining_key_.span().data(), hash_.view().data(), hash_.view().size());
  MixHash({});  // the empty prologue changes the hash
}

Result<Bytes> NoiseHandshake::Send() {
  HNX_CHECK(my_turn());
  Bytes out;
  if (step_ < 2) {
    AppendTo(out, ephemeral_key_.public_key.view());
    MixHash(ephemeral_key_.public_key.view());
  }
  if (step_ == 1) {
    HNX_TRY(MixKey(ephemeral_key_.secret_key, remote_ephemeral_));  // ee
    AppendEncrypted(out, static_key_.public_key.view());            // s
    HNX_TRY(MixKey(static_key_.secret_key, remote_ephemeral_));     // es
  } else if (step_ == 2) {
    AppendEncrypted(out, static_key_.public_key.view());         // s
    HNX_TRY(MixKey(static_key_.secret_key, remote_ephemeral_));  // se
  }
  AppendEncrypted(out, {});  // the empty payload
  HNX_CHECK(out.size() == next_size());
  ++step_;
  return out;
}

Result<void> NoiseHandshake::Receive(ByteView message) {
  HNX_CHECK(!done() && !my_turn());
  if (message.size() != next_size()) {
    return InvalidArgument("Noise message " + std::to_string(step_ + 1) + ": expected " +
                           std::to_string(next_size()) + " bytes, got " +
                           std::to_string(message.size()));
  }
  if (step_ < 2) {
    HNX_ASSIGN_OR_RETURN(remote_ephemeral_,
                         PublicKey::FromBytes(message.first(kKeySize), "ephemeral key"));
    MixHash(remote_ephemeral_.view());
    message = message.subspan(kKeySize);
  }
  if (step_ >= 1) {
    if (step_ == 1) {
      HNX_TRY(MixKey(ephemeral_key_.secret_key, remote_ephemeral_));  // ee
    }
    HNX_TRY(DecryptInto(message.first(kKeySize + kAeadOverhead), remote_static_.bytes));
    message = message.subspan(kKeySize + kAeadOverhead);
    HNX_TRY(MixKey(ephemeral_key_.secret_key, remote_static_));  // es or se
  }
  HNX_TRY(DecryptInto(message, {}));
  ++step_;
  return {};
}

SessionKeys NoiseHandshake::TakeKeys() {
  HNX_CHECK(done());
  TwoKeys keys = Hkdf(chaining_key_.view(), {});
  SessionKeys session;
  session.tx = FirstHalf(is_initiator_ ? keys.first : keys.second);
  session.rx = FirstHalf(is_initiator_ ? keys.second : keys.first);
  std::memcpy(session.hash.bytes.data(), hash_.view().data(), HandshakeHash::kSize);
  session.public_key = static_key_.public_key;
  session.remote_public_key = remote_static_;
  return session;
}

void NoiseHandshake::MixHash(ByteView bytes) {
  hash_ = Hash512Of({hash_.view(), bytes});
}

Result<void> NoiseHandshake::MixKey(const SecretKey& local, const PublicKey& remote) {
  const std::optional<SessionKey> shared = DiffieHellman(local, remote);
  if (!shared) {
    return Unauthenticated("Noise handshake: the peer's key " + remote.ToHex() +
                           " is no point of the curve's main subgroup");
  }
  TwoKeys keys = Hkdf(chaining_key_.view(), shared->view());
  chaining_key_ = std::move(keys.first);
  cipher_key_ = FirstHalf(keys.second);
  counter_ = 0;
  return {};
}

void NoiseHandshake::AppendEncrypted(Bytes& out, ByteView plaintext) {
  const std::size_t begin = out.size();
  if (cipher_key_) {
    out.resize(begin + plaintext.size() + kAeadOverhead);
    AeadSeal(*cipher_key_, counter_++, hash_.view(), plaintext, std::span(out).subspan(begin));
  } else {
    AppendTo(out, plaintext);
  }
  MixHash(ByteView(out).subspan(begin));
}

Result<void> NoiseHandshake::DecryptInto(ByteView sealed, std::span<std::byte> out) {
  if (cipher_key_) {
    if (!AeadOpen(*cipher_key_, counter_++, hash_.view(), sealed, out)) {
      return Unauthenticated("Noise message " + std::to_string(step_ + 1) +
                             ": it was forged or damaged");
    }
  } else {
    HNX_CHECK(sealed.empty() && out.empty());
  }
  MixHash(sealed);
  return {};
}

}  // namespace hnx::hyper
