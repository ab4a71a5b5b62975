#include "gateway/far/held_nars.h"

#include <algorithm>
#include <array>
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
#include "mirror/index_layout.h"

namespace hnx::gateway {
namespace {

// The file is written anew when it has so many lines more than twice what is held.
constexpr std::uint64_t kHistoryLinesMax = 10'000;
constexpr std::size_t kLineCharsMax = 512;
constexpr std::string_view kFileWord = "file";

std::string LineOf(char sign, const HeldNar& held) {
  if (!held.file.empty()) {
    return std::string(1, sign) + ' ' + std::string(kFileWord) + ' ' + held.file + ' ' +
           std::to_string(held.blob.byte_length) + '\n';
  }
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
  HeldNar held;
};

// nullopt: cut off, or not ours.
std::optional<Line> ParseLine(std::string_view line) {
  if (line.size() > kLineCharsMax) {
    return std::nullopt;
  }
  const auto sign = NextWord(line);
  if (sign != "+" && sign != "-") {
    return std::nullopt;
  }
  const auto drive = NextWord(line);
  hyper::BlobId blob;
  if (drive == kFileWord) {
    const auto name = NextWord(line);
    if (!mirror::IsSafeName(name) || !ReadNumber(line, blob.byte_length) || !line.empty()) {
      return std::nullopt;
    }
    return Line{sign.front(), HeldNar::File(std::string(name), blob.byte_length)};
  }
  const auto key = hyper::DriveKey::Parse(drive);
  if (!key || !ReadNumber(line, blob.block_offset) || !ReadNumber(line, blob.block_length) ||
      !ReadNumber(line, blob.byte_offset) || !ReadNumber(line, blob.byte_length) || !line.empty()) {
    return std::nullopt;
  }
  return Line{sign.front(), {*key, blob}};
}

}  // namespace

HeldNar HeldNar::File(std::string name, std::uint64_t size_bytes) {
  hyper::BlobId blob;
  blob.byte_length = size_bytes;
  return {hyper::DriveKey(std::array<std::byte, hyper::DriveKey::kBytes>{}), blob, std::move(name)};
}

Result<std::unique_ptr<HeldNars>> HeldNars::Open(std::filesystem::path file) {
  std::unique_ptr<HeldNars> held(new HeldNars(std::move(file)));
  HNX_TRY(held->Load());
  return held;
}

Result<void> HeldNars::Load() {
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

void HeldNars::Remember(const HeldNar& blob) {
  const auto found = places_.find(blob);
  if (found != places_.end()) {
    order_.splice(order_.end(), order_, found->second);
    return;
  }
  order_.push_back(blob);
  places_.emplace(blob, std::prev(order_.end()));
  bytes_ += blob.blob.byte_length;
}

bool HeldNars::Drop(const HeldNar& blob) {
  const auto found = places_.find(blob);
  if (found == places_.end()) {
    return false;
  }
  bytes_ -= blob.blob.byte_length;
  order_.erase(found->second);
  places_.erase(found);
  return true;
}

void HeldNars::Use(const HeldNar& blob) {
  MutexLock lock(mutex_);
  if (!order_.empty() && order_.back() == blob) {
    return;
  }
  Remember(blob);
  Append('+', blob);
}

void HeldNars::Forget(const HeldNar& blob) {
  MutexLock lock(mutex_);
  if (Drop(blob)) {
    Append('-', blob);
  }
}

void HeldNars::ForgetDrive(const hyper::DriveKey& drive) {
  MutexLock lock(mutex_);
  std::vector<HeldNar> gone;
  std::copy_if(order_.begin(), order_.end(), std::back_inserter(gone),
               [&drive](const HeldNar& held) { return held.file.empty() && held.drive == drive; });
  for (const HeldNar& held : gone) {
    Drop(held);
    Append('-', held);
  }
}

void HeldNars::Pin(const HeldNar& blob) {
  MutexLock lock(mutex_);
  pinned_.insert(blob);
}

void HeldNars::Unpin(const HeldNar& blob) {
  MutexLock lock(mutex_);
  if (const auto found = pinned_.find(blob); found != pinned_.end()) {
    pinned_.erase(found);
  }
}

std::vector<HeldNar> HeldNars::Beyond(std::uint64_t bytes_max) const {
  MutexLock lock(mutex_);
  std::vector<HeldNar> beyond;
  std::uint64_t left = bytes_;
  std::size_t count = order_.size();
  for (const HeldNar& blob : order_) {
    if (left <= bytes_max && count <= kHeldNarsMax) {
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

std::vector<HeldNar> HeldNars::Files() const {
  MutexLock lock(mutex_);
  std::vector<HeldNar> files;
  std::copy_if(order_.begin(), order_.end(), std::back_inserter(files),
               [](const HeldNar& held) { return !held.file.empty(); });
  return files;
}

std::set<hyper::DriveKey> HeldNars::Drives() const {
  MutexLock lock(mutex_);
  std::set<hyper::DriveKey> drives;
  for (const HeldNar& held : order_) {
    if (held.file.empty()) {
      drives.insert(held.drive);
    }
  }
  return drives;
}

std::uint64_t HeldNars::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

std::size_t HeldNars::count() const {
  MutexLock lock(mutex_);
  return order_.size();
}

// A line that is lost (a full disk) costs no more than a power cut would.
void HeldNars::Append(char sign, const HeldNar& blob) {
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

Result<void> HeldNars::Rewrite() {
  std::string text;
  for (const HeldNar& blob : order_) {
    text += LineOf('+', blob);
  }
  HNX_TRY(WriteFileDurably(file_, AsBytes(text)));
  HNX_ASSIGN_OR_RETURN(log_, OpenFile(file_, O_WRONLY | O_APPEND));
  lines_ = order_.size();
  return {};
}

}  // namespace hnx::gateway
