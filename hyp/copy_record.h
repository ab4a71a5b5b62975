// CopyRecord: which entries of a drive were written into a target folder, so that a second run
// fetches nothing, and what is not ours is never removed. Entries in order of their paths, read and
// written in one pass with a line in memory.
//
//   FILE       the record of the last run that ended
//   FILE.new   that of a run under way, or of one that was killed
//
// A line lost in a power cut costs a comparison with what is there; a line too many is found out by
// the stamp of the file. Format of a line, ended by a NUL byte:
//
//   f <size> <modified ns> <x|-> <block offset> <block length> <byte offset> <byte length> <path>
//   l <path>
//
// Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "hyp/target_folder.h"
#include "hyper/blobs/blob_id.h"

namespace hnx::hyp {

struct CopiedEntry {
  std::string path;
  // A file with where its content lay in the drive; none: a link.
  struct File {
    FileStamp stamp;
    hyper::BlobId blob;
  };
  std::optional<File> file;
};

class CopyRecordReader {
 public:
  // A file that is not there is an empty record.
  explicit CopyRecordReader(const std::filesystem::path& file);

  // In order of paths; nullopt at the end, and from the first line on that does not parse.
  std::optional<CopiedEntry> Next();

 private:
  std::ifstream in_;
};

class CopyRecord {
 public:
  // Joins what a killed run left with the record before it, and begins a new one.
  static Result<std::unique_ptr<CopyRecord>> Begin(const std::filesystem::path& file);

  // What was written before, in order of paths.
  CopyRecordReader& before() { return before_; }
  // In order of paths.
  Result<void> Add(const CopiedEntry& entry);
  // The new record counts from now on.
  Result<void> Finish();

 private:
  explicit CopyRecord(std::filesystem::path file);

  const std::filesystem::path file_;
  const std::filesystem::path new_file_;
  CopyRecordReader before_;
  std::ofstream out_;
};

}  // namespace hnx::hyp
