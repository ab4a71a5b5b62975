#include "gateway/substituter/drive_mirror_source.h"

#include <utility>

#include "gateway/substituter/mirror_file.h"

namespace hnx::gateway {
namespace {

Result<std::optional<SourceFile>> ToSource(Result<std::optional<mirror::MirrorFile>> found,
                                           bool checked) {
  if (!found) {
    return found.error();
  }
  if (!*found) {
    return std::optional<SourceFile>();
  }
  mirror::MirrorFile file = **std::move(found);
  SourceFile source;
  source.size_bytes = file.size_bytes();
  source.etag = ETagOf(file);
  if (checked) {
    source.read = [file](std::uint64_t offset, std::uint64_t length,
                         const SourceFile::Sink& sink) -> Result<void> {
      return file.drive->ReadBlob(file.blob, offset, length, sink);
    };
  }
  source.open = [file = std::move(file)] { return OpenRegion(file); };
  return std::optional<SourceFile>(std::move(source));
}

}  // namespace

DriveMirrorSource::DriveMirrorSource(mirror::MirrorReaderOptions options, bool checked)
    : options_(std::move(options)), checked_(checked) {}

std::shared_ptr<mirror::MirrorReader> DriveMirrorSource::Reader() const {
  MutexLock lock(mutex_);
  return reader_;
}

Result<std::optional<std::string>> DriveMirrorSource::ReadFile(std::string_view path,
                                                               std::uint64_t size_max) const {
  const auto reader = Reader();
  if (!reader) {
    return std::optional<std::string>();
  }
  HNX_ASSIGN_OR_RETURN(const auto bytes, reader->ReadIndexFile(path, size_max));
  return bytes ? std::optional<std::string>(ToString(*bytes)) : std::nullopt;
}

Result<std::optional<SourceFile>> DriveMirrorSource::File(std::string_view path) const {
  const auto reader = Reader();
  return reader ? ToSource(reader->IndexFile(path), checked_) : std::optional<SourceFile>();
}

Result<std::optional<SourceFile>> DriveMirrorSource::Nar(std::string_view file) const {
  const auto reader = Reader();
  return reader ? ToSource(reader->ResolveNar(file), checked_) : std::optional<SourceFile>();
}

Result<std::vector<SourceListing>> DriveMirrorSource::List(std::string_view folder,
                                                           std::size_t count_max) const {
  std::vector<SourceListing> listing;
  const auto reader = Reader();
  if (!reader) {
    return listing;
  }
  const auto index = reader->index();
  HNX_ASSIGN_OR_RETURN(const auto entries, index->List(folder));
  while (listing.size() < count_max) {
    HNX_ASSIGN_OR_RETURN(const auto entry, entries->Next());
    if (!entry) {
      break;
    }
    if (entry->blob) {
      listing.push_back({entry->path, entry->blob->byte_length});
    }
  }
  return listing;
}

Result<bool> DriveMirrorSource::Refresh() {
  if (const auto reader = Reader()) {
    HNX_ASSIGN_OR_RETURN(const bool changed, reader->Refresh());
    version_ = reader->index_version();
    return changed;
  }
  HNX_ASSIGN_OR_RETURN(std::shared_ptr<mirror::MirrorReader> opened,
                       mirror::MirrorReader::Open(options_));
  version_ = opened->index_version();
  MutexLock lock(mutex_);
  reader_ = std::move(opened);
  return true;
}

}  // namespace hnx::gateway
