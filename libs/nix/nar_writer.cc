#include "nix/nar_writer.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "nix/nar_reader.h"

namespace hnx::nix {
namespace {

constexpr std::size_t kNarWord = 8;

void AppendSize(std::string& out, std::uint64_t size) {
  std::array<std::byte, kNarWord> word{};
  StoreLe64(size, word);
  out.append(AsText(word));
}

void AppendPadding(std::string& out, std::uint64_t size) {
  out.append(static_cast<std::size_t>((kNarWord - size % kNarWord) % kNarWord), '\0');
}

}  // namespace

NarWriter::NarWriter(Sink sink) : sink_(std::move(sink)) {
  Put(kNarMagic);
}

Result<void> NarWriter::BeginDirectory() {
  if (directories_.size() == kNarDirectoryDepthMax) {
    return InvalidArgument(
        fmt::format("write NAR: more than {} directories in each other", kNarDirectoryDepthMax));
  }
  HNX_TRY(BeginNode("directory"));
  directories_.emplace_back();
  return Flush();
}

Result<void> NarWriter::Entry(std::string_view name) {
  HNX_CHECK(!directories_.empty() && !node_expected_ && !in_regular_);
  if (name.empty() || name.size() > kNarNameLengthMax || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    return InvalidArgument(
        "write NAR: a name that is empty, too long, '.', '..' or has '/' or NUL");
  }
  std::string& previous = directories_.back();
  if (!previous.empty() && name <= previous) {
    return InvalidArgument(
        fmt::format("write NAR: '{}' after '{}': names must increase bytewise", name, previous));
  }
  previous = name;
  for (const std::string_view text : {std::string_view("entry"), std::string_view("("),
                                      std::string_view("name"), name, std::string_view("node")}) {
    Put(text);
  }
  node_expected_ = true;
  return Flush();
}

Result<void> NarWriter::EndDirectory() {
  HNX_CHECK(!directories_.empty() && !node_expected_ && !in_regular_);
  directories_.pop_back();
  return EndNode();
}

Result<void> NarWriter::Symlink(std::string_view target) {
  if (target.empty() || target.size() > kNarTargetLengthMax ||
      target.find('\0') != std::string_view::npos) {
    return InvalidArgument("write NAR: a symlink's target is empty, too long or has a NUL");
  }
  HNX_TRY(BeginNode("symlink"));
  Put("target");
  Put(target);
  return EndNode();
}

Result<void> NarWriter::Regular(bool executable, ByteView contents) {
  HNX_TRY(BeginRegular(executable, contents.size()));
  HNX_TRY(Contents(contents));
  return EndRegular();
}

Result<void> NarWriter::BeginRegular(bool executable, std::uint64_t size) {
  HNX_TRY(BeginNode("regular"));
  if (executable) {
    Put("executable");
    Put("");
  }
  Put("contents");
  AppendSize(buffer_, size);
  in_regular_ = true;
  contents_size_ = size;
  contents_left_ = size;
  return Flush();
}

Result<void> NarWriter::Contents(ByteView piece) {
  HNX_CHECK(in_regular_);
  if (piece.size() > contents_left_) {
    return InvalidArgument(
        fmt::format("write NAR: more contents than the {} bytes announced", contents_size_));
  }
  contents_left_ -= piece.size();
  return piece.empty() ? Result<void>{} : sink_(piece);
}

Result<void> NarWriter::EndRegular() {
  HNX_CHECK(in_regular_);
  if (contents_left_ > 0) {
    return InvalidArgument(
        fmt::format("write NAR: {} of {} bytes are missing", contents_left_, contents_size_));
  }
  in_regular_ = false;
  AppendPadding(buffer_, contents_size_);
  return EndNode();
}

Result<void> NarWriter::Finish() {
  HNX_CHECK(directories_.empty() && !in_regular_);
  if (node_expected_) {
    return InvalidArgument("write NAR: it has no root node");
  }
  return {};
}

Result<void> NarWriter::BeginNode(std::string_view type) {
  HNX_CHECK(node_expected_ && !in_regular_);
  node_expected_ = false;
  Put("(");
  Put("type");
  Put(type);
  return {};
}

// Closes the node and the entry around it.
Result<void> NarWriter::EndNode() {
  Put(")");
  if (!directories_.empty()) {
    Put(")");
  }
  return Flush();
}

void NarWriter::Put(std::string_view text) {
  AppendSize(buffer_, text.size());
  buffer_.append(text);
  AppendPadding(buffer_, text.size());
}

Result<void> NarWriter::Flush() {
  auto written = sink_(AsBytes(buffer_));
  buffer_.clear();
  return written;
}

}  // namespace hnx::nix
