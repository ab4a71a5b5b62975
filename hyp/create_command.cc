// hyp create drive
#include <filesystem>
#include <iostream>
#include <memory>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/option.h"
#include "hyp/address.h"
#include "hyp/commands.h"
#include "hyp/drive_folders.h"
#include "hyper/core/crypto.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::hyp {

namespace {

struct CreateOptions {
  DriveFolders folders;
  bool json = false;
};

Result<void> Create(const CreateOptions& options) {
  hyper::PrimaryKey primary_key{};
  hyper::FillRandom(primary_key);
  const Address address{hyper::Hyperdrive::KeyFor(primary_key), ""};
  const std::filesystem::path folder =
      std::filesystem::path(options.folders.directories.front()) / address.key.id();
  auto store = hyper::Corestore::Create(folder, primary_key);
  hyper::Wipe(primary_key);
  if (!store) {
    return store.error();
  }
  HNX_ASSIGN_OR_RETURN(const auto drive, hyper::Hyperdrive::OpenOrCreate(**store));
  if (options.json) {
    std::cout << cli::JsonLine({{"key", address.key.hex()},
                                {"id", address.key.id()},
                                {"address", address.root()},
                                {"folder", folder.string()}})
              << '\n';
    return {};
  }
  std::cout << fmt::format("key      {}\nid       {}\naddress  {}\nfolder   {}\n",
                           address.key.hex(), address.key.id(), address.root(), folder.string());
  return {};
}

}  // namespace

void AddCreateCommand(cli::Program& program) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App& group = program.AddGroup("create", "Make something new");
  CLI::App& command = program.AddCommand(
      group, "drive",
      "Make an empty drive in the first folder of --drives, and print its key. The folder holds "
      "the\n"
      "drive's signing key (primary-key): keep a copy, nobody else can write to the drive.",
      [options] {
        const auto done = Create(*options);
        return done ? cli::ExitCode::kOk : Fail(done.error());
      },
      "hyp create drive\nhyp create drive --drives /srv/drives --json", cli::kLocalExits);
  options->folders.AddTo(command);
  cli::AddFlag(command, "--json", options->json, "Print one JSON object");
}

}  // namespace hnx::hyp
