#include "hyper/transport/secret_framing.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hnx::hyper {

SecretFraming::SecretFraming(SecretStream::Role role, KeyPair static_key, const Clock& clock,
                             SecretStreamOptions options) {
  stream_.emplace(role, std::move(static_key), clock, options);
}

Result<void> SecretFraming::Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) {
  return stream_->Receive(bytes, handler);
}

std::optional<Clock::SteadyTime> SecretFraming::keepalive_due() const {
  return stream_ ? stream_->keepalive_due() : std::nullopt;
}

HandoverFraming::HandoverFraming(const Clock& clock, SecretStreamOptions options)
    : clock_(clock), options_(options) {}

Bytes HandoverFraming::TakeOutput() {
  return stream_ ? stream_->TakeOutput() : Bytes();
}

Result<void> HandoverFraming::Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) {
  if (!stream_) {
    const std::size_t count = std::min(bytes.size(), kHandoverSize - received_);
    std::ranges::copy(bytes.first(count), handover_.span().subspan(received_).begin());
    Wipe(bytes.first(count));
    received_ += count;
    bytes = bytes.subspan(count);
    if (received_ < kHandoverSize) {
      return {};
    }
    const std::span<std::byte, kHandoverSize> all = handover_.span();
    if (all[0] > std::byte{1}) {
      return InvalidArgument("handed-over keys: the first byte must be 0 or 1");
    }
    SessionKeys keys;
    keys.tx = SessionKey(all.subspan<1, 32>());
    keys.rx = SessionKey(all.subspan<33, 32>());
    std::memcpy(keys.hash.bytes.data(), &all[65], HandshakeHash::kSize);
    std::memcpy(keys.public_key.bytes.data(), &all[129], PublicKey::kSize);
    std::memcpy(keys.remote_public_key.bytes.data(), &all[161], PublicKey::kSize);
    const bool is_initiator = all[0] == std::byte{1};
    stream_.emplace(is_initiator ? SecretStream::Role::kInitiator : SecretStream::Role::kResponder,
                    std::move(keys), clock_, options_);
    handover_ = SecretBytes<kHandoverSize>();
    HNX_TRY(handler.OnReady());
  }
  return stream_->Receive(bytes, handler);
}

Result<void> HandoverFraming::ReceiveEnd() const {
  if (!stream_) {
    return Unavailable("the bridge ended the connection before it handed over the keys");
  }
  return stream_->ReceiveEnd();
}

}  // namespace hnx::hyper
