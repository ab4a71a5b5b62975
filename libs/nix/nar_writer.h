// NarWriter: writes a canonical NAR to a sink, node by node, without holding file contents. It is
// the generator of the tests and of the demonstration, so it refuses (kInvalidArgument) what the
// reader would refuse, and calls out of order are a bug (CHECK).
//
//   NarWriter nar(sink);
//   nar.BeginDirectory(); nar.Entry("a"); nar.Regular(false, bytes); nar.EndDirectory();
//   nar.Finish();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "nix/sink.h"

namespace hnx::nix {

class NarWriter {
 public:
  explicit NarWriter(Sink sink);

  Result<void> BeginDirectory();
  // The name of the next node; names come in strictly increasing byte order.
  Result<void> Entry(std::string_view name);
  Result<void> EndDirectory();
  Result<void> Symlink(std::string_view target);
  // A whole file.
  Result<void> Regular(bool executable, ByteView contents);
  // A file in pieces: exactly `size` bytes by Contents, then EndRegular.
  Result<void> BeginRegular(bool executable, std::uint64_t size);
  Result<void> Contents(ByteView piece);
  Result<void> EndRegular();
  // The root node must be complete.
  Result<void> Finish();

 private:
  Result<void> BeginNode(std::string_view type);
  Result<void> EndNode();
  void Put(std::string_view text);
  Result<void> Flush();

  Sink sink_;
  std::string buffer_;
  std::vector<std::string> directories_;  // the last name written in each open directory
  bool node_expected_ = true;
  bool in_regular_ = false;
  std::uint64_t contents_left_ = 0;
  std::uint64_t contents_size_ = 0;
};

}  // namespace hnx::nix
