// MirrorSource: what the gateway's handlers need of a mirror. One implementation reads drives in
// local folders (drive_mirror_source.h), one reads them from peers (far/far_mirror_source.h), one
// adds ordinary binary caches (fallback/fallback_source.h); tests have another.
//
// Errors: kUnavailable, kDeadlineExceeded, kCancelled and kFailedPrecondition say that it cannot be
// told now (no peer, too slow, no head yet), and not that anything is wrong. With a fallback:
// kAborted: it does not answer (now) either; kUnauthenticated: what it says is not signed by a key
// that is trusted.
//
// Threads: every method may be called from any thread at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "http/body_pipe.h"
#include "http/http_server.h"

namespace hnx::gateway {

// Bytes of a file that are not, or not all, on this machine. Every method blocks, within limits of
// its own.
class FarBytes {
 public:
  virtual ~FarBytes() = default;
  // They can be had now; kUnavailable: nobody who is connected has them all.
  virtual Result<void> CheckAvailable() const = 0;
  // The byte at `offset` has come and is verified: what follows may be promised to a client.
  virtual Result<void> Begin(std::uint64_t offset) const = 0;
  // Writes the range while it comes, each block verified.
  virtual Result<void> Write(std::uint64_t offset, std::uint64_t length,
                             http::BodyPipe& body) const = 0;
};

// A file that the mirror names.
struct SourceFile {
  std::uint64_t size_bytes = 0;
  std::string etag;  // strong, in quotes: names these bytes and no others
  // Its bytes, locked against removal as long as the descriptor is open. kNotFound: the name is
  // there, the bytes are not.
  std::function<Result<http::FileRegion>()> open;
  // When set, its bytes go out through this and not by sendfile: `length` of them from `offset`,
  // each block checked against the drive's tree before `sink` sees it.
  using Sink = std::function<Result<void>(ByteView)>;
  std::function<Result<void>(std::uint64_t offset, std::uint64_t length, const Sink& sink)> read{};
  // Where to have them from when they are not; nullptr: nowhere.
  std::shared_ptr<const FarBytes> far{};
};

struct SourceListing {
  std::string path;
  std::uint64_t size_bytes = 0;
};

class MirrorSource {
 public:
  virtual ~MirrorSource() = default;

  // Whether the methods below may wait for others than this machine.
  virtual bool may_wait() const { return false; }
  // Changes whenever anything that was resolved may resolve differently.
  virtual std::uint64_t version() const = 0;
  // Absent files, and links, are nullopt.
  virtual Result<std::optional<std::string>> ReadFile(std::string_view path,
                                                      std::uint64_t size_max) const = 0;
  virtual Result<std::optional<SourceFile>> File(std::string_view path) const = 0;
  // /nar/<file>, through a link of the strict form where it is one.
  virtual Result<std::optional<SourceFile>> Nar(std::string_view file) const = 0;
  // The files below `folder`, in order, at most `count_max`.
  virtual Result<std::vector<SourceListing>> List(std::string_view folder,
                                                  std::size_t count_max) const = 0;
  // Looks for newer versions; true when there was one. One thread at a time.
  virtual Result<bool> Refresh() = 0;
};

}  // namespace hnx::gateway
