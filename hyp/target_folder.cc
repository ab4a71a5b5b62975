#include "hyp/target_folder.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hyper/drive/drive_path.h"

namespace hnx::hyp {

namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr unsigned kFolderMode = 0755;
constexpr unsigned kFileMode = 0644;
constexpr unsigned kExecutableMode = 0755;
constexpr unsigned kOwnerMayExecute = 0100;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

FileStamp StampOf(const struct stat& info) {
  return {static_cast<std::uint64_t>(info.st_size),
          info.st_mtim.tv_sec * kNanosecondsPerSecond + info.st_mtim.tv_nsec,
          (info.st_mode & kOwnerMayExecute) != 0};
}

Error InTheWay(const std::string& name, std::string_view what) {
  return FailedPrecondition(
      fmt::format("{}: {} is in the way; it is not ours, so it was left as it is", name, what));
}

// A name that no other thread uses.
std::string PartName() {
  static std::atomic<std::uint64_t> next{0};
  return fmt::format("part-{}-{}", ::getpid(), next++);
}

// Gives the name in the folder of parts back unless it was moved away.
class Part {
 public:
  explicit Part(int folder) : folder_(folder), name_(PartName()) {}
  ~Part() { (void)::unlinkat(folder_, name_.c_str(), 0); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  Part(Part&&) = delete;
  Part& operator=(Part&&) = delete;

  const std::string& name() const { return name_; }

 private:
  const int folder_;
  const std::string name_;
};

}  // namespace

Result<TargetPath> TargetPath::Parse(std::string_view drive_path) {
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument(fmt::format("{}: {}", drive_path, why));
  };
  const auto normal = hyper::NormalizeDrivePath(drive_path);
  if (!normal || *normal != drive_path) {
    return refuse("no path in normal form");
  }
  std::vector<std::string> parts;
  std::string_view rest = drive_path.substr(1);
  while (true) {
    const std::size_t end = rest.find('/');
    const std::string_view part = rest.substr(0, end);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) {
      return refuse("no name that a file can have");
    }
    if (part.size() > kTargetNameBytesMax) {
      return refuse(fmt::format("a name of more than {} bytes", kTargetNameBytesMax));
    }
    if (parts.size() == kTargetDepthMax) {
      return refuse(fmt::format("more than {} folders deep", kTargetDepthMax));
    }
    parts.emplace_back(part);
    if (end == std::string_view::npos) {
      return TargetPath(std::move(parts), std::string(drive_path));
    }
    rest.remove_prefix(end + 1);
  }
}

Result<PartsFolder> PartsFolder::MakeIn(const std::filesystem::path& folder) {
  std::string name = folder / ".hyp-part-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return Errno("create folder", name);
  }
  HNX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return PartsFolder(std::move(name), std::move(fd));
}

PartsFolder::~PartsFolder() {
  if (!path_.empty()) {
    (void)::rmdir(path_.c_str());  // whoever wrote into it removed his files
  }
}

Result<TargetFolder> TargetFolder::OpenOrCreate(const std::filesystem::path& parent,
                                                const std::string& name, const UniqueFd& parts) {
  HNX_ASSIGN_OR_RETURN(const UniqueFd above, OpenFile(parent, O_RDONLY | O_DIRECTORY));
  std::filesystem::path folder = parent / name;
  if (::mkdirat(above.get(), name.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return Errno("create folder", folder.string());
  }
  UniqueFd root(::openat(above.get(), name.c_str(), kFolderFlags));
  if (!root.valid()) {
    return errno == ELOOP || errno == ENOTDIR ? InTheWay(folder.string(), "a link or a file")
                                              : Errno("open folder", folder.string());
  }
  return TargetFolder(std::move(folder), std::move(root), parts);
}

Result<TargetFolder> TargetFolder::Open(const std::filesystem::path& folder,
                                        const UniqueFd& parts) {
  HNX_ASSIGN_OR_RETURN(UniqueFd root, OpenFile(folder, O_RDONLY | O_DIRECTORY));
  return TargetFolder(folder, std::move(root), parts);
}

Result<UniqueFd> TargetFolder::Parent(const TargetPath& path, bool make) const {
  UniqueFd at(::openat(root_.get(), ".", kFolderFlags));
  for (std::size_t i = 0; at.valid() && i + 1 < path.parts().size(); ++i) {
    const char* const name = path.parts()[i].c_str();
    if (make && ::mkdirat(at.get(), name, kFolderMode) != 0 && errno != EEXIST) {
      return Errno("create folder for", Name(path));
    }
    at = UniqueFd(::openat(at.get(), name, kFolderFlags));
  }
  if (!at.valid()) {
    return errno == ELOOP || errno == ENOTDIR
               ? InTheWay(Name(path), "a link or a file where a folder should be")
               : Errno("open folder of", Name(path));
  }
  return at;
}

Result<TargetFolder::Found> TargetFolder::Look(const TargetPath& path) const {
  const auto parent = Parent(path, false);
  if (!parent) {
    if (parent.error().code == ErrorCode::kNotFound) {
      return Found{};
    }
    return parent.error();
  }
  const char* const name = path.parts().back().c_str();
  struct stat info = {};
  if (::fstatat(parent->get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<Found>(Found{}) : Errno("stat", Name(path));
  }
  if (S_ISREG(info.st_mode)) {
    return Found{Kind::kFile, StampOf(info), {}};
  }
  if (!S_ISLNK(info.st_mode)) {
    return Found{Kind::kOther, {}, {}};
  }
  std::array<char, PATH_MAX> text{};
  const ssize_t length = ::readlinkat(parent->get(), name, text.data(), text.size());
  if (length < 0) {
    return Errno("read link", Name(path));
  }
  return Found{Kind::kLink, {}, std::string(text.data(), static_cast<std::size_t>(length))};
}

Result<void> TargetFolder::RefuseFolderAt(int parent, const TargetPath& path) const {
  struct stat info = {};
  if (::fstatat(parent, path.parts().back().c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Result<void>() : Errno("stat", Name(path));
  }
  return S_ISREG(info.st_mode) || S_ISLNK(info.st_mode) ? Result<void>()
                                                        : InTheWay(Name(path), "a folder");
}

Result<void> TargetFolder::MoveInto(const std::string& part, const TargetPath& path) const {
  HNX_ASSIGN_OR_RETURN(const UniqueFd parent, Parent(path, true));
  HNX_TRY(RefuseFolderAt(parent.get(), path));
  if (::renameat(parts_.get(), part.c_str(), parent.get(), path.parts().back().c_str()) != 0) {
    return errno == EISDIR ? InTheWay(Name(path), "a folder") : Errno("rename to", Name(path));
  }
  return {};
}

Result<FileStamp> TargetFolder::WriteFile(const TargetPath& path, bool executable,
                                          const Content& content) const {
  HNX_ASSIGN_OR_RETURN(const UniqueFd parent, Parent(path, true));
  HNX_TRY(RefuseFolderAt(parent.get(), path));  // before anything is fetched
  const Part part(parts_.get());
  const UniqueFd file(::openat(parts_.get(), part.name().c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                               executable ? kExecutableMode : kFileMode));
  if (!file.valid()) {
    return Errno("create temporary file for", Name(path));
  }
  std::uint64_t at = 0;
  const auto write = [&](ByteView piece) {
    const std::uint64_t offset = std::exchange(at, at + piece.size());
    return WriteAt(file.get(), offset, piece);
  };
  HNX_TRY(content(write));
  if (::fsync(file.get()) != 0) {
    return Errno("fsync", Name(path));
  }
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) {
    return Errno("stat", Name(path));
  }
  HNX_TRY(MoveInto(part.name(), path));
  return StampOf(info);
}

Result<void> TargetFolder::WriteLink(const TargetPath& path, const std::string& linkname) const {
  const Part part(parts_.get());
  if (::symlinkat(linkname.c_str(), parts_.get(), part.name().c_str()) != 0) {
    return Errno("create link", Name(path));
  }
  return MoveInto(part.name(), path);
}

Result<bool> TargetFolder::HasContent(const TargetPath& path, const Content& content) const {
  HNX_ASSIGN_OR_RETURN(const UniqueFd parent, Parent(path, false));
  const UniqueFd file(::openat(parent.get(), path.parts().back().c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) {
    return Errno("open", Name(path));
  }
  bool same = true;
  std::uint64_t at = 0;
  Bytes there;
  const auto compare = [&](ByteView piece) -> Result<void> {
    there.resize(piece.size());
    HNX_ASSIGN_OR_RETURN(const std::size_t read, ReadUpToAt(file.get(), at, there));
    same = same && read == piece.size() && AsText(there) == AsText(piece);
    at += piece.size();
    return {};
  };
  HNX_TRY(content(compare));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file.get()));
  return same && size == at;
}

Result<void> TargetFolder::Remove(const TargetPath& path) const {
  HNX_ASSIGN_OR_RETURN(UniqueFd parent, Parent(path, false));
  if (::unlinkat(parent.get(), path.parts().back().c_str(), 0) != 0 && errno != ENOENT) {
    return Errno("remove", Name(path));
  }
  // Upwards while they are empty.
  std::string_view above = path.text();
  for (above = above.substr(0, above.rfind('/')); !above.empty();
       above = above.substr(0, above.rfind('/'))) {
    HNX_ASSIGN_OR_RETURN(const TargetPath folder, TargetPath::Parse(above));
    HNX_ASSIGN_OR_RETURN(parent, Parent(folder, false));
    if (::unlinkat(parent.get(), folder.parts().back().c_str(), AT_REMOVEDIR) != 0) {
      return errno == ENOTEMPTY || errno == EEXIST ? Result<void>()
                                                   : Errno("remove folder of", Name(path));
    }
  }
  return {};
}

Result<void> TargetFolder::Sync() const {
  return ::syncfs(root_.get()) == 0 ? Result<void>() : Errno("sync", folder_.string());
}

}  // namespace hnx::hyp
