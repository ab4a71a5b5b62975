// Generators of Nix inputs, good and bad: the words in which the tests of this folder are written.
// Everything is made here, signed with throw-away keys; nothing is copied from anybody's cache.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <lzma.h>

#include "base/bytes.h"
#include "base/result.h"
#include "nix/nar_info.h"
#include "nix/nar_info_sign.h"
#include "nix/reject_reason.h"
#include "nix/signature.h"
#include "nix/sink.h"
#include "nix/store_path.h"
#include "nix/trusted_keys.h"

namespace hnx::nix::testing {

// ---- keys and narinfos

SecretKey MakeKey(std::string_view name, std::uint8_t seed = 1);
TrustedKeys Trusting(const SecretKey& key);
// A well-formed path: "<32 times `digit`>-<name>".
StorePath PathOf(char digit, std::string_view name);
// A plausible narinfo of PathOf('1', "hello-1.0") with references to two others.
NarInfoFields SampleFields();
std::string SampleText();
// `text` with the one line that begins with `key` + ':' replaced; empty `line` removes it.
std::string WithLine(const std::string& text, std::string_view key, std::string_view line);
// Parses `text` as the answer for SampleFields().store_path.
Result<NarInfo> ParseSample(const std::string& text, const NarInfoPolicy& policy = {});

// ---- NARs, from the raw encoding up

std::string Str(std::string_view text);
std::string Le64(std::uint64_t value);
std::string NarOf(std::string_view node);  // with the magic before
std::string File(std::string_view contents, bool executable = false);
std::string Symlink(std::string_view target);
std::string Entry(std::string_view name, std::string_view node);
std::string Directory(const std::vector<std::string>& entries);
// `depth` directories in each other and a file in the innermost.
std::string NestedDirectories(std::size_t depth);

// ---- compressed streams

std::string Xz(std::string_view data, lzma_check check = LZMA_CHECK_CRC64);
// An xz stream whose block header claims another dictionary size (the encoded byte of LZMA2).
std::string XzWithDictionaryByte(std::string_view data, std::uint8_t byte);
std::string LzmaAlone(std::string_view data);
std::string Gzip(std::string_view data);
std::string Zstd(std::string_view data, bool checksum = true);
// A zstd frame whose header claims a window of 2^window_log bytes.
std::string ZstdWithWindow(std::string_view data, unsigned window_log);
std::string Bzip2(std::string_view data);
// `size` zeros, compressed, without ever holding them.
std::string XzOfZeros(std::uint64_t size);
std::string ZstdOfZeros(std::uint64_t size);

// ---- outcomes

// The reason word of a failure, "" for success, "?" for an error without one.
template <class T>
std::string ReasonWord(const Result<T>& result) {
  if (result.has_value()) {
    return "";
  }
  const auto reason = ReasonOf(result.error());
  return reason.has_value() ? std::string(RejectReasonName(*reason)) : "?";
}
template <class T>
std::string Describe(const Result<T>& result) {
  return result.has_value() ? "OK" : result.error().ToString();
}

}  // namespace hnx::nix::testing
