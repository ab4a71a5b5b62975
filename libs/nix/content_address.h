// ContentAddress: the value of a narinfo's CA field, and the store path that it stands for. A path
// whose name, references and content hash recompute to itself needs no signature.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "nix/hash.h"
#include "nix/store_path.h"

namespace hnx::nix {

class ContentAddress {
 public:
  enum class Method {
    kText,       // text:sha256:<h>: one file, may refer to other paths, never to itself
    kFlat,       // fixed:<algorithm>:<h>: one file, no references
    kRecursive,  // fixed:r:<algorithm>:<h>: the NAR; references only with sha256
  };

  static Result<ContentAddress> Parse(std::string_view text);
  ContentAddress(Method method, Hash hash) : method_(method), hash_(hash) {}

  Method method() const { return method_; }
  const Hash& hash() const { return hash_; }
  std::string ToString() const;

  // The path that this content has under `name` with `references` (sorted, without the path
  // itself) and, when `refers_to_itself`, itself. kInvalidArgument where the method forbids the
  // references.
  Result<StorePath> MakeStorePath(std::string_view name, std::span<const StorePath> references,
                                  bool refers_to_itself) const;

  // Whether `path` with exactly these references (itself among them or not) is what this address
  // makes of them.
  Result<void> Check(const StorePath& path, std::span<const StorePath> references) const;

  bool operator==(const ContentAddress&) const = default;

 private:
  Method method_;
  Hash hash_;
};

}  // namespace hnx::nix
