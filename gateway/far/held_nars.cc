#include "gateway/far/held_blobs.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

namespace hnx::gateway {
namespace {

// The file is written anew when it has so many lines more than twice what is held.
constexpr std::uint64_t kHistoryLinesMax = 10'000;
constexpr std::size_t kLineCharsMax = 256;

std::string LineOf(char sign, const HeldBlob& held) {
  return std::string(1, sign) + ' ' + held.drive.id() + ' ' +
         std::to_string(held.blob.block_offset) + ' ' + std::to_string(held.blob.block_length) +
         ' ' + std::to_string(held.blob.byte_offset) + ' ' + std::to_string(held.blob.byte_length) +
         '\n';
}

// Takes the text before the next blank.
std::string_view NextWord(std::string_view& line) {
  const auto blank = line.find(' ');
  const auto word = line.substr(0, blank);
  line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  return word;
}

bool ReadNumber(std::string_view& line, std::uint64_t& number) {
  const auto word = NextWord(line);
  const auto read = std::from_chars(word.data(), word.data() + word.size(), number);
  return read.ec == std::errc() && read.ptr == word.data() + word.size() &&
         number <= hyper::kSafeIntegerMax;
}

struct Line {
  char sign = '+';
  HeldBlob held;
};

// nullopt: cut off, or not ours.
std::optional<Line> ParseLine(std::string_view line) {
  if (line.size() > kLineCharsMax) {
    return std::nullopt;
  }
  const auto sign = NextWord(line);
  const auto key = hyper::DriveKey::Parse(NextWord(line));
  hyper::BlobId blob;
  if ((sign != "+" && sign != "-") || !key || !ReadNumber(line, blob.block_offset) ||
      !ReadNumber(line, blob.block_length) || !ReadNumber(line, blob.byte_offset) ||
      !ReadNumber(line, blob.byte_length) || !line.empty()) {
    return std::nullopt;
  }
  return Line{sign.front(), {*key, blob}};
}

}  // namespace

Result<std::unique_ptr<HeldBlobs>> HeldBlobs::Open(std::filesystem::path file) {
  std::unique_ptr<HeldBlobs> held(new HeldBlobs(std::move(file)));
  HNX_TRY(held->Load());
  return held;
}

Result<void> HeldBlobs::Load() {
  MutexLock lock(mutex_);
  std::ifstream log(file_);
  std::string text;
  while (std::getline(log, text)) {
    const auto line = ParseLine(text);
    if (!line) {
      continue;
    }
    if (line->sign == '+') {
      Remember(line->held);
    } else {
      Drop(line->held);
    }
  }
  return Rewrite();
}

void HeldBlobs::Remember(const HeldBlob& blob) {
  const auto found = places_.find(blob);
  if (found != places_.end()) {
    order_.splice(order_.end(), order_, found->second);
    return;
  }
  order_.push_back(blob);
  places_.emplace(blob, std::prev(order_.end()));
  bytes_ += blob.blob.byte_length;
}

bool HeldBlobs::Drop(const HeldBlob& blob) {
  const auto found = places_.find(blob);
  if (found == places_.end()) {
    return false;
  }
  bytes_ -= blob.blob.byte_length;
  order_.erase(found->second);
  places_.erase(found);
  return true;
}

void HeldBlobs::Use(const HeldBlob& blob) {
  MutexLock lock(mutex_);
  if (!order_.empty() && order_.back() == blob) {
    return;
  }
  Remember(blob);
  Append('+', blob);
}

void HeldBlobs::Forget(const HeldBlob& blob) {
  MutexLock lock(mutex_);
  if (Drop(blob)) {
    Append('-', blob);
  }
}

void HeldBlobs::Pin(const HeldBlob& blob) {
  MutexLock lock(mutex_);
  pinned_.insert(blob);
}

void HeldBlobs::Unpin(const HeldBlob& blob) {
  MutexLock lock(mutex_);
  if (const auto found = pinned_.find(blob); found != pinned_.end()) {
    pinned_.erase(found);
  }
}

std::vector<HeldBlob> HeldBlobs::Beyond(std::uint64_t bytes_max) const {
  MutexLock lock(mutex_);
  std::vector<HeldBlob> beyond;
  std::uint64_t left = bytes_;
  std::size_t count = order_.size();
  for (const HeldBlob& blob : order_) {
    if (left <= bytes_max && count <= kHeldBlobsMax) {
      break;
    }
    if (!pinned_.contains(blob)) {
      beyond.push_back(blob);
      left -= blob.blob.byte_length;
      --count;
    }
  }
  return beyond;
}

std::uint64_t HeldBlobs::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

std::size_t HeldBlobs::count() const {
  MutexLock lock(mutex_);
  return order_.size();
}

// A line that is lost (a full disk) costs no more than a power cut would.
void HeldBlobs::Append(char sign, const HeldBlob& blob) {
  const std::string line = LineOf(sign, blob);
  if (::write(log_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    Log("gateway")->debug("{}: a line could not be written", file_.string());
  }
  if (++lines_ > 2 * order_.size() + kHistoryLinesMax) {
    if (const auto rewritten = Rewrite(); !rewritten) {
      lines_ = order_.size();  // not before as many lines more
      Log("gateway")->warn("{}", rewritten.error().ToString());
    }
  }
}

Result<void> HeldBlobs::Rewrite() {
  std::string text;
  for (const HeldBlob& blob : order_) {
    text += LineOf('+', blob);
  }
  HNX_TRY(WriteFileDurably(file_, AsBytes(text)));
  HNX_ASSIGN_OR_RETURN(log_, OpenFile(file_, O_WRONLY | O_APPEND));
  lines_ = order_.size();
  return {};
}

}  // namespace hnx::gateway
