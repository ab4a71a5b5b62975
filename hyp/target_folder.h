// TargetFolder: a folder of this machine that a foreign drive is copied into. Whatever the drive's
// names and links say, and whatever lies in the folder already, nothing outside it is read or
// written: every path is walked part by part from the folder's descriptor, and no link on the way
// is followed.
//
// A file is written under a temporary name in a second folder of the same file system, fsynced and
// renamed, so that what bears the name is whole.
//
// Threads: every method may be called from any thread at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace hnx::hyp {

// What file systems take for one name; and how deep we go.
inline constexpr std::size_t kTargetNameBytesMax = 255;
inline constexpr std::size_t kTargetDepthMax = 64;

// A path out of a foreign drive as names that can be walked: none of them empty, ".", "..", with a
// NUL or a slash, or too long.
class TargetPath {
 public:
  // kInvalidArgument says what is wrong with it.
  static Result<TargetPath> Parse(std::string_view drive_path);

  const std::vector<std::string>& parts() const { return parts_; }
  const std::string& text() const { return text_; }

 private:
  TargetPath(std::vector<std::string> parts, std::string text)
      : parts_(std::move(parts)), text_(std::move(text)) {}

  std::vector<std::string> parts_;
  std::string text_;  // "/a/b"
};

// By this a file is known again that nobody touched since.
struct FileStamp {
  std::uint64_t size_bytes = 0;
  std::int64_t modified_ns = 0;
  bool executable = false;

  bool operator==(const FileStamp&) const = default;
};

// A folder for temporary names below another one, under a name that nobody can foresee; gone with
// the object.
class PartsFolder {
 public:
  static Result<PartsFolder> MakeIn(const std::filesystem::path& folder);
  ~PartsFolder();
  PartsFolder(PartsFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
  PartsFolder& operator=(PartsFolder&&) = delete;
  PartsFolder(const PartsFolder&) = delete;
  PartsFolder& operator=(const PartsFolder&) = delete;

  const UniqueFd& fd() const { return fd_; }

 private:
  PartsFolder(std::filesystem::path path, UniqueFd fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;  // empty: moved away
  UniqueFd fd_;
};

class TargetFolder {
 public:
  enum class Kind { kAbsent, kFile, kLink, kOther };
  struct Found {
    Kind kind = Kind::kAbsent;
    FileStamp stamp;   // of a file
    std::string link;  // what a link says
  };
  using Sink = std::function<Result<void>(ByteView)>;
  // Gives the whole content to the sink, in order.
  using Content = std::function<Result<void>(const Sink&)>;

  // Makes PARENT/NAME when missing. kFailedPrecondition: a link or a file is there. `parts` is an
  // open folder for temporary names, on the same file system, and must outlive this.
  static Result<TargetFolder> OpenOrCreate(const std::filesystem::path& parent,
                                           const std::string& name, const UniqueFd& parts);

  // A folder that the user named; links on the way to it are the user's own and are followed.
  static Result<TargetFolder> Open(const std::filesystem::path& folder, const UniqueFd& parts);

  // Errors: kFailedPrecondition, a link or a file is in the way of the path's folders.
  Result<Found> Look(const TargetPath& path) const;
  // Replaces a file or a link of that name. Errors as Look; kFailedPrecondition: a folder or
  // something else has that name; those of `content`.
  Result<FileStamp> WriteFile(const TargetPath& path, bool executable,
                              const Content& content) const;
  Result<void> WriteLink(const TargetPath& path, const std::string& linkname) const;
  // Whether the file there has exactly this content.
  Result<bool> HasContent(const TargetPath& path, const Content& content) const;
  // A file or link; folders that become empty by it go too.
  Result<void> Remove(const TargetPath& path) const;
  // Everything written so far is on the disk when it returns.
  Result<void> Sync() const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  TargetFolder(std::filesystem::path folder, UniqueFd root, const UniqueFd& parts)
      : folder_(std::move(folder)), root_(std::move(root)), parts_(parts) {}

  std::string Name(const TargetPath& path) const { return folder_.string() + path.text(); }
  // The folder that holds the last part. `make`: with those that are missing; else kNotFound.
  Result<UniqueFd> Parent(const TargetPath& path, bool make) const;
  Result<void> RefuseFolderAt(int parent, const TargetPath& path) const;
  Result<void> MoveInto(const std::string& part, const TargetPath& path) const;

  std::filesystem::path folder_;
  UniqueFd root_;
  const UniqueFd& parts_;
};

}  // namespace hnx::hyp
