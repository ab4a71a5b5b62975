// hyp put
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/option.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_folders.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "mirror/index_layout.h"

namespace hnx::hyp {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

struct PutOptionsOfCommand {
  DriveFolders folders;
  std::string source;
  std::string address;
  bool executable = false;
};

struct Source {
  UniqueFd fd;
  std::string name;
  bool executable = false;
};

Result<Source> OpenSource(const std::string& source) {
  if (source == "-") {
    UniqueFd fd(::dup(STDIN_FILENO));
    if (!fd.valid()) {
      return Errno("read", "standard input");
    }
    return Source{std::move(fd), "standard input", false};
  }
  HNX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(source, O_RDONLY));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Errno("stat", source);
  }
  if (S_ISDIR(status.st_mode)) {
    return InvalidArgument(source + " is a folder; put its files one by one");
  }
  return Source{std::move(fd), source, (status.st_mode & S_IXUSR) != 0};
}

// A store with the drive opened on it.
struct OurDrive {
  std::unique_ptr<hyper::Corestore> store;
  std::unique_ptr<hyper::Hyperdrive> drive;
};

// The drive, if this folder holds the key that signs it.
Result<OurDrive> OpenOurs(const std::filesystem::path& folder, const Address& address) {
  const Error not_ours{
      ErrorCode::kPermissionDenied,
      fmt::format("the drive {} is not ours: {} does not hold the key that signs it",
                  address.key.id(), folder.string())};
  auto store = hyper::Corestore::Open(folder);
  if (!store) {
    return store.error().code == ErrorCode::kNotFound ? not_ours : store.error();
  }
  auto drive = hyper::Hyperdrive::Open(**store);
  if (!drive) {
    return drive.error().code == ErrorCode::kNotFound ? not_ours : drive.error();
  }
  if ((*drive)->key() != address.key) {
    return not_ours;
  }
  return OurDrive{*std::move(store), *std::move(drive)};
}

Result<void> Copy(const Source& source, hyper::DriveWriteStream& stream) {
  std::vector<std::byte> piece(kPieceBytes);
  while (true) {
    const ssize_t size = ::read(source.fd.get(), piece.data(), piece.size());
    if (size < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Errno("read", source.name);
    }
    if (size == 0) {
      return {};
    }
    HNX_TRY(stream.Write(ByteView(piece).first(static_cast<std::size_t>(size))));
  }
}

Result<void> Put(const PutOptionsOfCommand& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  if (address.path.empty()) {
    return InvalidArgument("the address must name a file: " + address.root() + "/path");
  }
  HNX_ASSIGN_OR_RETURN(const auto folder, options.folders.Find(address.key));
  HNX_ASSIGN_OR_RETURN(const OurDrive ours, OpenOurs(folder, address));
  hyper::Hyperdrive* const drive = ours.drive.get();
  HNX_ASSIGN_OR_RETURN(const auto mirror_json, drive->Entry(mirror::kMirrorJsonPath));
  if (mirror_json) {
    return Error{ErrorCode::kPermissionDenied,
                 fmt::format("the drive {} is the index of a mirror, which only its worker writes",
                             address.key.id())};
  }
  HNX_ASSIGN_OR_RETURN(const Source source, OpenSource(options.source));
  HNX_ASSIGN_OR_RETURN(const auto batch, drive->BeginBatch());
  {
    HNX_ASSIGN_OR_RETURN(
        hyper::DriveWriteStream stream,
        batch->OpenWrite(address.path, {options.executable || source.executable, "null"}));
    HNX_TRY(Copy(source, stream));
    HNX_TRY(stream.Finish());
  }
  HNX_ASSIGN_OR_RETURN(const hyper::DriveHead head, batch->Commit());
  std::cout << fmt::format("{}{} (version {})\n", address.root(), address.path, head.db_length);
  return {};
}

}  // namespace

void AddPutCommand(cli::Program& program) {
  auto options = std::make_shared<PutOptionsOfCommand>();
  CLI::App& command = program.AddCommand(
      "put",
      "Write a file into a drive that is ours (its folder holds the signing key) and that no "
      "other\n"
      "program has open. Durable when the command ends.",
      [options] {
        const auto done = Put(*options);
        return done ? cli::ExitCode::kOk : Fail(done.error());
      },
      "hyp put notes.txt hyper://KEY/notes.txt\ndate | hyp put - hyper://KEY/date",
      cli::kLocalExits);
  command.add_option("source", options->source, "File to read, or - for standard input")
      ->required();
  command.add_option("address", options->address, "hyper://KEY/path")->required();
  options->folders.AddTo(command);
  cli::AddFlag(command, "--executable", options->executable,
               "Mark the file executable even if the source is not");
}

}  // namespace hnx::hyp
