// hyp cat
#include <cerrno>
#include <memory>

#include <fmt/core.h>
#include <unistd.h>

#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_source.h"
#include "hyp/link_resolver.h"

namespace hnx::hyp {

namespace {

struct CatOptions {
  DriveSource source;
  std::string address;
};

Result<void> WriteToStdout(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Errno("write", "standard output");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> Cat(const CatOptions& options) {
  HNX_ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  HNX_ASSIGN_OR_RETURN(const auto mirror, options.source.Open(address.key));
  HNX_ASSIGN_OR_RETURN(const auto file, FindFile(*mirror->view(), address.path));
  if (!file) {
    return NotFound(fmt::format("there is no file {} in {}", address.path, address.root()));
  }
  return file->drive->ReadBlob(file->blob, 0, file->size_bytes(), WriteToStdout);
}

}  // namespace

void AddCatCommand(cli::Program& program) {
  auto options = std::make_shared<CatOptions>();
  CLI::App& command = program.AddCommand(
      "cat", "Write a file of a drive to standard output, each block verified first.",
      [options] {
        const auto done = Cat(*options);
        return done ? cli::ExitCode::kOk : Fail(done.error());
      },
      "hyp cat hyper://KEY/nix-cache-info\nhyp cat hyper://KEY/nar/FILE.nar.xz | xz -dc",
      cli::kAskingExits);
  command.add_option("address", options->address, "hyper://KEY/path")->required();
  options->source.AddTo(command);
}

}  // namespace hnx::hyp
