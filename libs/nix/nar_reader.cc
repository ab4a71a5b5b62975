#include "nix/nar_reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

constexpr std::size_t kWord = 8;  // everything is padded to it
constexpr std::string_view kCaseHackSuffix = "~nix~case~hack~";

constexpr std::size_t PaddingOf(std::uint64_t size) {
  return static_cast<std::size_t>((kWord - size % kWord) % kWord);
}

bool AllZero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool HasCaseHackSuffix(std::string_view name) {
  const std::size_t at = name.rfind(kCaseHackSuffix);
  if (at == std::string_view::npos) {
    return false;
  }
  const std::string_view number = name.substr(at + kCaseHackSuffix.size());
  return !number.empty() &&
         std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

NarReader::NarReader(NarVisitor* visitor, std::uint64_t size_max)
    : visitor_(visitor), size_max_(size_max) {}

Result<void> NarReader::Feed(ByteView bytes) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kContents:
        HNX_TRY(StepContents(bytes));
        break;
      case State::kContentsPadding:
        HNX_TRY(StepContentsPadding(bytes));
        break;
      case State::kDone:
        return Reject(ErrorCode::kDataLoss, RejectReason::kNarTrailing,
                      fmt::format("read NAR: bytes follow its end at offset {}", offset_));
      default:
        HNX_TRY(Step(bytes));
    }
  }
  return {};
}

Result<void> NarReader::Finish() {
  if (state_ == State::kDone) {
    return {};
  }
  return Reject(ErrorCode::kDataLoss, RejectReason::kNarTruncated,
                fmt::format("read NAR: it ends after {} bytes, in the middle", offset_));
}

// One token: 8 bytes of length, that many bytes, zeros up to the next multiple of 8; of a contents
// field only the length. A token that lies whole in the input is read where it is; one that is cut
// goes through pending_, never with more bytes than its checked length.
Result<void> NarReader::Step(ByteView& input) {
  ByteView whole = input;
  if (pending_size_ > 0 || input.size() < kWord) {
    const std::size_t wanted = kWord > pending_size_ ? kWord - pending_size_ : 0;
    const std::size_t taken = std::min(wanted, input.size());
    std::copy_n(input.begin(), taken,
                pending_.begin() + static_cast<std::ptrdiff_t>(pending_size_));
    pending_size_ += taken;
    offset_ += taken;
    input = input.subspan(taken);
    if (pending_size_ < kWord) {
      return {};
    }
    whole = ByteView(pending_).first(pending_size_);
  }
  const std::uint64_t size = LoadLe64(whole.first(kWord));
  if (state_ == State::kContentsSize) {
    offset_ += pending_size_ > 0 ? 0 : kWord;
    input = input.subspan(pending_size_ > 0 ? 0 : kWord);
    pending_size_ = 0;
    return StartContents(size);
  }
  if (size > TokenLengthMax()) {
    return Malformed(
        fmt::format("a string of {} bytes where at most {} may stand", size, TokenLengthMax()));
  }
  const auto length = static_cast<std::size_t>(size);
  const std::size_t total = kWord + length + PaddingOf(length);
  if (pending_size_ > 0 || input.size() < total) {
    const std::size_t taken = std::min(total - pending_size_, input.size());
    std::copy_n(input.begin(), taken,
                pending_.begin() + static_cast<std::ptrdiff_t>(pending_size_));
    pending_size_ += taken;
    offset_ += taken;
    input = input.subspan(taken);
    if (pending_size_ < total) {
      return {};
    }
    whole = ByteView(pending_).first(total);
    pending_size_ = 0;
  } else {
    whole = input.first(total);
    offset_ += total;
    input = input.subspan(total);
  }
  if (!AllZero(whole.subspan(kWord + length))) {
    return Malformed("the padding is not zero");
  }
  return TakeToken(AsText(whole.subspan(kWord, length)));
}

Result<void> NarReader::StartContents(std::uint64_t size) {
  const std::uint64_t room = size_max_ > offset_ ? size_max_ - offset_ : 0;
  if (size > room || PaddingOf(size) > room - size) {
    return Reject(ErrorCode::kDataLoss, RejectReason::kNarSizeMismatch,
                  fmt::format("read NAR: a file of {} bytes at offset {} cannot lie in {} bytes",
                              size, offset_, size_max_));
  }
  contents_left_ = size;
  padding_left_ = PaddingOf(size);
  if (visitor_ != nullptr) {
    HNX_TRY(visitor_->OnRegular(executable_, size));
  }
  if (size > 0) {
    state_ = State::kContents;
    return {};
  }
  state_ = State::kRegularClose;
  return visitor_ != nullptr ? visitor_->OnRegularEnd() : Result<void>{};
}

Result<void> NarReader::StepContents(ByteView& input) {
  const auto taken =
      static_cast<std::size_t>(std::min<std::uint64_t>(contents_left_, input.size()));
  if (visitor_ != nullptr) {
    HNX_TRY(visitor_->OnContents(input.first(taken)));
  }
  input = input.subspan(taken);
  offset_ += taken;
  contents_left_ -= taken;
  if (contents_left_ > 0) {
    return {};
  }
  state_ = padding_left_ > 0 ? State::kContentsPadding : State::kRegularClose;
  return visitor_ != nullptr ? visitor_->OnRegularEnd() : Result<void>{};
}

Result<void> NarReader::StepContentsPadding(ByteView& input) {
  const std::size_t taken = std::min(padding_left_, input.size());
  if (!AllZero(input.first(taken))) {
    return Malformed("the padding of a file is not zero");
  }
  input = input.subspan(taken);
  offset_ += taken;
  padding_left_ -= taken;
  if (padding_left_ == 0) {
    state_ = State::kRegularClose;
  }
  return {};
}

Result<void> NarReader::TakeToken(std::string_view token) {
  switch (state_) {
    case State::kMagic:
      return Expect(token, kNarMagic, State::kNodeOpen);
    case State::kNodeOpen:
      return Expect(token, "(", State::kTypeTag);
    case State::kTypeTag:
      return Expect(token, "type", State::kTypeValue);
    case State::kTypeValue:
      return TakeTypeValue(token);
    case State::kRegularField:
      return TakeRegularField(token);
    case State::kExecutableValue:
      executable_ = true;
      return Expect(token, "", State::kContentsTag);
    case State::kContentsTag:
      return Expect(token, "contents", State::kContentsSize);
    case State::kTargetTag:
      return Expect(token, "target", State::kTargetValue);
    case State::kTargetValue:
      return TakeTarget(token);
    case State::kDirectoryItem:
      return TakeDirectoryItem(token);
    case State::kEntryOpen:
      return Expect(token, "(", State::kNameTag);
    case State::kNameTag:
      return Expect(token, "name", State::kNameValue);
    case State::kNameValue:
      return TakeName(token);
    case State::kNodeTag:
      return Expect(token, "node", State::kNodeOpen);
    case State::kEntryClose:
      return Expect(token, ")", State::kDirectoryItem);
    case State::kRegularClose:
    case State::kSymlinkClose:
      HNX_TRY(Expect(token, ")", state_));
      CloseNode();
      return {};
    case State::kContentsSize:
    case State::kContents:
    case State::kContentsPadding:
    case State::kDone:
      break;  // Feed and Step have answered for these
  }
  return Internal("read NAR: a token in a state that takes none");
}

Result<void> NarReader::TakeTypeValue(std::string_view token) {
  if (token == "regular") {
    executable_ = false;
    state_ = State::kRegularField;
    return {};
  }
  if (token == "symlink") {
    state_ = State::kTargetTag;
    return {};
  }
  if (token != "directory") {
    return Malformed("a type other than regular, symlink and directory");
  }
  if (depth_ == kNarDirectoryDepthMax) {
    return Malformed(fmt::format("more than {} directories in each other", kNarDirectoryDepthMax));
  }
  names_[depth_].size = 0;
  ++depth_;
  state_ = State::kDirectoryItem;
  return visitor_ != nullptr ? visitor_->OnDirectory() : Result<void>{};
}

Result<void> NarReader::TakeRegularField(std::string_view token) {
  if (token == "executable") {
    state_ = State::kExecutableValue;
    return {};
  }
  return Expect(token, "contents", State::kContentsSize);
}

Result<void> NarReader::TakeDirectoryItem(std::string_view token) {
  if (token == ")") {
    --depth_;
    CloseNode();
    return visitor_ != nullptr ? visitor_->OnDirectoryEnd() : Result<void>{};
  }
  return Expect(token, "entry", State::kEntryOpen);
}

Result<void> NarReader::TakeName(std::string_view name) {
  constexpr std::string_view kForbidden("/\0", 2);
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(kForbidden) != std::string_view::npos) {
    return Malformed("a name that is empty, '.', '..' or has a '/' or NUL");
  }
  Name& previous = names_[depth_ - 1];
  if (previous.size > 0 && name <= previous.view()) {
    return Malformed("names that are not in strictly increasing order");
  }
  std::copy(name.begin(), name.end(), previous.chars.begin());
  previous.size = static_cast<std::uint8_t>(name.size());
  saw_case_hack_name_ = saw_case_hack_name_ || HasCaseHackSuffix(name);
  state_ = State::kNodeTag;
  return visitor_ != nullptr ? visitor_->OnEntry(name) : Result<void>{};
}

Result<void> NarReader::TakeTarget(std::string_view target) {
  if (target.empty() || target.find('\0') != std::string_view::npos) {
    return Malformed("a symlink whose target is empty or has a NUL");
  }
  state_ = State::kSymlinkClose;
  return visitor_ != nullptr ? visitor_->OnSymlink(target) : Result<void>{};
}

Result<void> NarReader::Expect(std::string_view token, std::string_view wanted, State next) {
  if (token != wanted) {
    return Malformed(fmt::format("another string where '{}' must stand", wanted));
  }
  state_ = next;
  return {};
}

void NarReader::CloseNode() {
  state_ = depth_ == 0 ? State::kDone : State::kEntryClose;
}

std::size_t NarReader::TokenLengthMax() const {
  switch (state_) {
    case State::kNameValue:
      return kNarNameLengthMax;
    case State::kTargetValue:
      return kNarTargetLengthMax;
    default:
      return kNarTagLengthMax;
  }
}

Error NarReader::Malformed(std::string_view what) const {
  return Reject(ErrorCode::kDataLoss, RejectReason::kNarMalformed,
                fmt::format("read NAR: {}, before offset {}", what, offset_));
}

}  // namespace hnx::nix
