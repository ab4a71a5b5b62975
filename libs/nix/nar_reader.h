// NarReader: a push parser that accepts exactly the canonical form of the NAR format
// (docs/formats/nar.md) and nothing behind it. It keeps no more than one name per directory level
// (about 16 KiB in all), does not recurse, and passes file contents on as spans of its input, so
// its cost does not depend on their size. Not thread-safe.
//
//   NarReader reader;
//   while (...) HNX_TRY(reader.Feed(chunk));
//   HNX_TRY(reader.Finish());
//
// Errors: kDataLoss with the reasons nar-malformed, nar-truncated, nar-trailing, nar-size-mismatch.
// After an error the reader must not be fed again.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

constexpr std::size_t kNarDirectoryDepthMax = 63;  // nested directories, the root included
constexpr std::size_t kNarNameLengthMax = 255;
constexpr std::size_t kNarTargetLengthMax = 4095;
constexpr std::size_t kNarTagLengthMax = 32;
constexpr std::string_view kNarMagic = "nix-archive-1";

// Told what a NAR contains, in order. Views live until the call returns. An error ends the parse.
class NarVisitor {
 public:
  virtual ~NarVisitor() = default;
  virtual Result<void> OnDirectory() { return {}; }
  virtual Result<void> OnDirectoryEnd() { return {}; }
  // The name of the node that follows, inside the innermost open directory.
  virtual Result<void> OnEntry(std::string_view /*name*/) { return {}; }
  virtual Result<void> OnSymlink(std::string_view /*target*/) { return {}; }
  virtual Result<void> OnRegular(bool /*executable*/, std::uint64_t /*size*/) { return {}; }
  // The file's bytes, in as many pieces as the input had.
  virtual Result<void> OnContents(ByteView /*piece*/) { return {}; }
  virtual Result<void> OnRegularEnd() { return {}; }
};

class NarReader {
 public:
  // `size_max`: a NAR that announces more is refused at once. `visitor` may be null and must
  // outlive the reader.
  explicit NarReader(NarVisitor* visitor = nullptr,
                     std::uint64_t size_max = std::numeric_limits<std::int64_t>::max());

  Result<void> Feed(ByteView bytes);
  // The NAR must be complete.
  Result<void> Finish();

  // Bytes taken so far.
  std::uint64_t offset() const { return offset_; }
  // The root node is closed: only Finish may follow.
  bool complete() const { return state_ == State::kDone; }
  // A name ended in Nix's case-hack suffix: legal, worth counting.
  bool saw_case_hack_name() const { return saw_case_hack_name_; }

 private:
  enum class State {
    kMagic,
    kNodeOpen,
    kTypeTag,
    kTypeValue,
    kRegularField,
    kExecutableValue,
    kContentsTag,
    kContentsSize,
    kContents,
    kContentsPadding,
    kRegularClose,
    kTargetTag,
    kTargetValue,
    kSymlinkClose,
    kDirectoryItem,
    kEntryOpen,
    kNameTag,
    kNameValue,
    kNodeTag,
    kEntryClose,
    kDone,
  };
  struct Name {
    std::uint8_t size = 0;
    std::array<char, kNarNameLengthMax> chars{};
    std::string_view view() const { return {chars.data(), size}; }
  };

  Result<void> Step(ByteView& input);
  Result<void> StepContents(ByteView& input);
  Result<void> StepContentsPadding(ByteView& input);
  Result<void> StartContents(std::uint64_t size);
  Result<void> TakeToken(std::string_view token);
  Result<void> TakeTypeValue(std::string_view token);
  Result<void> TakeRegularField(std::string_view token);
  Result<void> TakeDirectoryItem(std::string_view token);
  Result<void> TakeName(std::string_view name);
  Result<void> TakeTarget(std::string_view target);
  Result<void> Expect(std::string_view token, std::string_view wanted, State next);
  void CloseNode();
  std::size_t TokenLengthMax() const;
  Error Malformed(std::string_view what) const;

  NarVisitor* visitor_;
  const std::uint64_t size_max_;
  State state_ = State::kMagic;
  std::uint64_t offset_ = 0;
  bool executable_ = false;
  bool saw_case_hack_name_ = false;
  std::uint64_t contents_left_ = 0;
  std::size_t padding_left_ = 0;
  std::size_t depth_ = 0;  // open directories
  std::array<Name, kNarDirectoryDepthMax> names_{};
  // A token that lies across two inputs: length field, bytes, padding.
  std::size_t pending_size_ = 0;
  std::array<std::byte, 8 + kNarTargetLengthMax + 8> pending_{};
};

}  // namespace hnx::nix
