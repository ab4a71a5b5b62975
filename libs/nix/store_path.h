// StorePath: /nix/store/<32 nix32 characters>-<name>. A value that is always valid; names follow
// the strictest of today's Nix versions. docs/formats/store-path.md.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

constexpr std::string_view kStoreDir = "/nix/store";
constexpr std::size_t kStorePathHashLength = 32;  // characters; 20 bytes
constexpr std::size_t kStorePathNameLengthMax = 211;
constexpr std::size_t kStorePathBaseNameLengthMax =
    kStorePathHashLength + 1 + kStorePathNameLengthMax;  // 244
constexpr std::size_t kStorePathLengthMax = kStoreDir.size() + 1 + kStorePathBaseNameLengthMax;

// The hash part alone: the key of a narinfo, in URLs, drives and SQL.
class StorePathHash {
 public:
  static Result<StorePathHash> Parse(std::string_view text);

  const std::string& ToString() const { return text_; }
  std::string_view text() const { return text_; }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted <=>
  auto operator<=>(const StorePathHash&) const = default;
  bool operator==(const StorePathHash&) const = default;

 private:
  friend class StorePath;
  explicit StorePathHash(std::string_view text) : text_(text) {}
  std::string text_;
};

class StorePath {
 public:
  // A full path. Nothing is canonicalised: no other store directory, sub path, trailing slash.
  static Result<StorePath> Parse(std::string_view path);
  // "<hash>-<name>".
  static Result<StorePath> ParseBaseName(std::string_view base_name);

  std::string_view hash_part() const {
    return std::string_view(base_name_).substr(0, kStorePathHashLength);
  }
  StorePathHash hash() const { return StorePathHash(hash_part()); }
  std::string_view name() const {
    return std::string_view(base_name_).substr(kStorePathHashLength + 1);
  }
  const std::string& base_name() const { return base_name_; }
  bool IsDerivation() const { return base_name_.ends_with(".drv"); }
  // The full path.
  std::string ToString() const;

  // Bytewise, by base name: the order of fingerprints.
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted <=>
  auto operator<=>(const StorePath&) const = default;
  bool operator==(const StorePath&) const = default;

 private:
  explicit StorePath(std::string_view base_name) : base_name_(base_name) {}
  std::string base_name_;
};

}  // namespace hnx::nix
