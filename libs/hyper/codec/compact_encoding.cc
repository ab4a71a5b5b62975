#include "hyper/codec/compact_encoding.h"

#include <array>

namespace hnx::hyper {
namespace {

constexpr std::uint8_t kPrefix16 = 0xfd;
constexpr std::uint8_t kPrefix32 = 0xfe;
constexpr std::uint8_t kPrefix64 = 0xff;

void AppendLe(Bytes& out, std::uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; ++i) {
    out.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
}

std::uint64_t LoadLe(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = (value << 8) | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return value;
}

}  // namespace

void Encoder::Uint(std::uint64_t value) {
  if (value < kPrefix16) {
    Uint8(static_cast<std::uint8_t>(value));
  } else if (value <= 0xffff) {
    Uint8(kPrefix16);
    AppendLe(bytes_, value, 2);
  } else if (value <= 0xffffffff) {
    Uint8(kPrefix32);
    AppendLe(bytes_, value, 4);
  } else {
    Uint8(kPrefix64);
    AppendLe(bytes_, value, 8);
  }
}

void Encoder::Uint8(std::uint8_t value) {
  bytes_.push_back(static_cast<std::byte>(value));
}

void Encoder::Uint32(std::uint32_t value) {
  AppendLe(bytes_, value, 4);
}

void Encoder::Uint64(std::uint64_t value) {
  AppendLe(bytes_, value, 8);
}

void Encoder::Raw(ByteView bytes) {
  AppendTo(bytes_, bytes);
}

void Encoder::Buffer(ByteView bytes) {
  Uint(bytes.size());
  Raw(bytes);
}

void Encoder::String(std::string_view text) {
  Buffer(AsBytes(text));
}

Result<ByteView> Decoder::Raw(std::size_t length, std::string_view field) {
  if (length > rest_.size()) {
    return InvalidArgument(std::string(field) + ": needs " + std::to_string(length) +
                           " bytes, the input ends after " + std::to_string(rest_.size()));
  }
  const ByteView taken = rest_.first(length);
  rest_ = rest_.subspan(length);
  return taken;
}

Result<std::uint8_t> Decoder::Uint8(std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const ByteView raw, Raw(1, field));
  return std::to_integer<std::uint8_t>(raw[0]);
}

Result<std::uint32_t> Decoder::Uint32(std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const ByteView raw, Raw(4, field));
  return static_cast<std::uint32_t>(LoadLe(raw));
}

Result<std::uint64_t> Decoder::Uint64(std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const ByteView raw, Raw(8, field));
  return LoadLe(raw);
}

Result<std::uint64_t> Decoder::Uint(std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint8_t first, Uint8(field));
  if (first < kPrefix16) {
    return std::uint64_t{first};
  }
  const std::size_t width = std::size_t{2} << (first - kPrefix16);
  HNX_ASSIGN_OR_RETURN(const ByteView raw, Raw(width, field));
  // A longer form than needed is accepted, as JavaScript does.
  return LoadLe(raw);
}

Result<std::uint64_t> Decoder::UintUpTo(std::uint64_t limit, std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t value, Uint(field));
  if (value > limit) {
    return InvalidArgument(std::string(field) + ": " + std::to_string(value) +
                           " exceeds the limit of " + std::to_string(limit));
  }
  return value;
}

Result<ByteView> Decoder::Buffer(std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t length, UintUpTo(rest_.size(), field));
  return Raw(static_cast<std::size_t>(length), field);
}

Result<std::string> Decoder::String(std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const ByteView raw, Buffer(field));
  return ToString(raw);
}

Result<std::uint64_t> Decoder::Count(std::size_t item_bytes_min, std::string_view field) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t count, Uint(field));
  if (count > rest_.size() / item_bytes_min) {
    return InvalidArgument(std::string(field) + ": " + std::to_string(count) +
                           " items do not fit into the remaining " + std::to_string(rest_.size()) +
                           " bytes");
  }
  return count;
}

Result<void> Decoder::ExpectEnd(std::string_view what) const {
  if (!rest_.empty()) {
    return InvalidArgument(std::string(what) + ": " + std::to_string(rest_.size()) +
                           " bytes too many");
  }
  return {};
}

}  // namespace hnx::hyper
