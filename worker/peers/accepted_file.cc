#include "worker/peers/accepted_file.h"

#include <sstream>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/core.h>

#include "base/file.h"
#include "base/hex.h"

namespace hnx::worker {
namespace {

constexpr const char* kFileName = "accepted-head";
constexpr std::uint64_t kFileBytesMax = 4096;

std::string LineOf(const char* core, const hyper::CoreHead& head) {
  // An empty core has no signature.
  const std::string signature = head.signature.empty() ? "-" : EncodeHex(head.signature);
  return fmt::format("{} {} {} {} {} {}\n", core, head.fork, head.length, head.byte_length,
                     head.tree_hash.ToHex(), signature);
}

std::optional<hyper::CoreHead> ReadLine(std::istream& in, const char* core) {
  std::string name;
  std::string tree_hash;
  std::string signature;
  hyper::CoreHead head;
  if (!(in >> name >> head.fork >> head.length >> head.byte_length >> tree_hash >> signature) ||
      name != core) {
    return std::nullopt;
  }
  const auto hash = hyper::Hash::FromHex(tree_hash, "tree hash");
  const auto bytes = signature == "-" ? Result<Bytes>(Bytes()) : DecodeHex(signature);
  if (!hash || !bytes || bytes->empty() != (head.length == 0)) {
    return std::nullopt;
  }
  head.tree_hash = *hash;
  head.signature = *bytes;
  return head;
}

bool IsPastOf(const hyper::CoreHead& accepted, const hyper::CoreHead& now) {
  return accepted.fork == now.fork &&
         (accepted.length < now.length || (accepted.length == now.length && accepted == now));
}

}  // namespace

Result<void> WriteAcceptedFile(const std::filesystem::path& drive_folder,
                               const hyper::SignedDriveHead& head) {
  const std::string text =
      "accepted 1\n" + LineOf("db", head.db) + LineOf("content", head.content) + "end\n";
  const auto path = drive_folder / kFileName;
  const auto temporary = drive_folder / (std::string(kFileName) + ".new");
  {
    HNX_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC));
    HNX_TRY(WriteAt(fd.get(), 0, AsBytes(text)));
  }
  std::error_code failed;
  std::filesystem::rename(temporary, path, failed);
  return failed
             ? Result<void>(Unavailable("rename " + temporary.string() + ": " + failed.message()))
             : Result<void>();
}

std::optional<hyper::SignedDriveHead> ReadAcceptedFile(const std::filesystem::path& drive_folder) {
  const auto text = ReadWholeFile(drive_folder / kFileName, kFileBytesMax);
  if (!text) {
    return std::nullopt;
  }
  std::istringstream in(*text);
  std::string word;
  int version = 0;
  if (!(in >> word >> version) || word != "accepted" || version != 1) {
    return std::nullopt;
  }
  const auto db = ReadLine(in, "db");
  const auto content = db ? ReadLine(in, "content") : std::nullopt;
  if (!content || !(in >> word) || word != "end") {
    return std::nullopt;
  }
  return hyper::SignedDriveHead{*db, *content};
}

bool IsPastOf(const hyper::SignedDriveHead& accepted, const hyper::SignedDriveHead& now) {
  return accepted.db.length > 0 && IsPastOf(accepted.db, now.db) &&
         IsPastOf(accepted.content, now.content);
}

}  // namespace hnx::worker
