// Words for the wire tests: keys from one byte, a sink that keeps messages, frames made by hand.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "hyper/codec/compact_encoding.h"
#include "hyper/core/crypto.h"
#include "hyper/wire/message_sink.h"
#include "hyper/wire/secret_stream.h"

namespace hnx::hyper {

inline KeyPair KeyOf(std::uint8_t seed) {
  return KeyPair::FromSeed(Bytes(32, std::byte{seed}));
}

inline Bytes Filled(std::size_t size, std::uint8_t seed = 1) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * 31 + i / 255 + seed);
  }
  return bytes;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  AppendTo(left, right);
  return left;
}

inline Bytes Uint(std::uint64_t value) {
  Encoder encoder;
  encoder.Uint(value);
  return std::move(encoder).Take();
}

inline Bytes Buf(std::string_view text) {
  Encoder encoder;
  encoder.String(text);
  return std::move(encoder).Take();
}

inline Bytes Text(std::string_view text) {
  return ToBytes(text);
}

// A frame of a secret stream, sealed.
inline Bytes Seal(SecretStream& stream, ByteView message) {
  Bytes frame(message.size() + kFrameOverhead);
  std::copy(message.begin(), message.end(), frame.begin() + kFrameMessageOffset);
  stream.SealFrame(frame);
  return frame;
}

inline Bytes SealAll(SecretStream& stream, const std::vector<Bytes>& messages) {
  Bytes all;
  for (const Bytes& message : messages) {
    AppendTo(all, Seal(stream, message));
  }
  return all;
}

class KeepingSink final : public MessageSink {
 public:
  std::span<std::byte> BeginMessage(std::size_t size) override {
    begun_.assign(size, std::byte{0});
    return begun_;
  }
  void CommitMessage() override { messages.push_back(std::exchange(begun_, {})); }
  void AbandonMessage() override { begun_.clear(); }

  Bytes Next() {
    if (messages.empty()) {
      ADD_FAILURE() << "no message";
      return {};
    }
    Bytes message = std::move(messages.front());
    messages.pop_front();
    return message;
  }

  std::deque<Bytes> messages;

 private:
  Bytes begun_;
};

class KeepingHandler final : public SecretStreamHandler {
 public:
  Result<void> OnReady() override {
    ++ready;
    return {};
  }
  Result<void> OnMessage(ByteView message) override {
    messages.push_back(ToBytes(message));
    return answer;
  }

  int ready = 0;
  std::vector<Bytes> messages;
  Result<void> answer;
};

template <class T>
ErrorCode CodeOf(const Result<T>& result) {
  return result ? ErrorCode{0} : result.error().code;
}

}  // namespace hnx::hyper
