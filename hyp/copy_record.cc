#include "hyp/copy_record.h"

#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "base/file.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

std::string LineOf(const CopiedEntry& entry) {
  if (!entry.file) {
    return "l " + entry.path;
  }
  const auto& [stamp, blob] = *entry.file;
  return fmt::format("f {} {} {} {} {} {} {} {}", stamp.size_bytes, stamp.modified_ns,
                     stamp.executable ? 'x' : '-', blob.block_offset, blob.block_length,
                     blob.byte_offset, blob.byte_length, entry.path);
}

std::optional<CopiedEntry> ParseLine(const std::string& line) {
  if (line.starts_with("l /")) {
    return CopiedEntry{line.substr(2), std::nullopt};
  }
  std::istringstream in(line);
  std::string kind;
  std::string mode;
  CopiedEntry::File file;
  in >> kind >> file.stamp.size_bytes >> file.stamp.modified_ns >> mode >> file.blob.block_offset >>
      file.blob.block_length >> file.blob.byte_offset >> file.blob.byte_length;
  if (!in || kind != "f" || in.get() != ' ') {
    return std::nullopt;
  }
  file.stamp.executable = mode == "x";
  const auto at = in.tellg();
  std::string path = at < 0 ? "" : line.substr(static_cast<std::size_t>(at));
  if (!path.starts_with('/')) {
    return std::nullopt;
  }
  return CopiedEntry{std::move(path), file};
}

fs::path NewName(const fs::path& file) {
  return file.string() + ".new";
}

Error CannotWrite(const fs::path& file) {
  return Internal(fmt::format("write {}: the disk did not take it", file.string()));
}

Result<void> Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    return Internal(fmt::format("rename to {}: {}", to.string(), error.message()));
  }
  return {};
}

// The killed run went through the entries in order: up to its last line it tells the newer state.
Result<void> JoinRecords(const fs::path& file) {
  const fs::path joined = file.string() + ".joined";
  std::ofstream out(joined, std::ios::binary | std::ios::trunc);
  CopyRecordReader newer(NewName(file));
  std::string last;
  while (const auto entry = newer.Next()) {
    out << LineOf(*entry) << '\0';
    last = entry->path;
  }
  CopyRecordReader older(file);
  while (const auto entry = older.Next()) {
    if (entry->path > last) {
      out << LineOf(*entry) << '\0';
    }
  }
  out.close();
  if (!out) {
    return CannotWrite(joined);
  }
  HNX_TRY(Rename(joined, file));
  std::error_code ignored;
  fs::remove(NewName(file), ignored);
  return {};
}

}  // namespace

CopyRecordReader::CopyRecordReader(const fs::path& file) : in_(file, std::ios::binary) {}

std::optional<CopiedEntry> CopyRecordReader::Next() {
  std::string line;
  // A last line without its end was cut by the kill.
  if (!std::getline(in_, line, '\0') || in_.eof()) {
    return std::nullopt;
  }
  return ParseLine(line);
}

CopyRecord::CopyRecord(fs::path file)
    : file_(std::move(file)),
      new_file_(NewName(file_)),
      before_(file_),
      out_(new_file_, std::ios::binary | std::ios::trunc) {}

Result<std::unique_ptr<CopyRecord>> CopyRecord::Begin(const fs::path& file) {
  std::error_code ignored;
  if (fs::exists(NewName(file), ignored)) {
    HNX_TRY(JoinRecords(file));
  }
  std::unique_ptr<CopyRecord> record(new CopyRecord(file));
  if (!record->out_) {
    return CannotWrite(NewName(file));
  }
  return record;
}

Result<void> CopyRecord::Add(const CopiedEntry& entry) {
  out_ << LineOf(entry) << '\0' << std::flush;  // a kill loses none
  return out_ ? Result<void>() : CannotWrite(new_file_);
}

Result<void> CopyRecord::Finish() {
  out_.close();
  if (!out_) {
    return CannotWrite(new_file_);
  }
  HNX_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(new_file_, O_RDONLY));
  if (::fsync(fd.get()) != 0) {
    return Errno("fsync", new_file_.string());
  }
  return Rename(new_file_, file_);
}

}  // namespace hnx::hyp
