// NARs for tests: made by our NarWriter, packed by the reference libraries, described as the
// coordinator describes them.
#pragma once

#include <cstdint>
#include <string>

#include "hypercore_nixos/v1/coordinator.pb.h"
#include "nix/compression.h"

namespace hnx::test {

struct SampleNar {
  std::string name;  // of the file below /nar/
  std::string nar;
  std::string file;  // compressed
  nix::Compression compression = nix::Compression::kNone;

  hypercore_nixos::v1::NarUnit Unit(std::uint64_t id, const std::string& url) const;
};

// A NAR with a file of `size` bytes that do not compress; the same seed gives the same NAR.
SampleNar MakeNar(std::uint64_t seed, std::size_t size,
                  nix::Compression compression = nix::Compression::kZstd);

// What MakeNar packs.
std::string Compress(const std::string& bytes, nix::Compression compression);

}  // namespace hnx::test
