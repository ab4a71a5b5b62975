#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "mirror/format/release_proof.h"
#include "mirror/index_layout.h"
#include "nix/decompressor.h"

namespace hnx::coordinator {
namespace {

struct ManifestOptions {
  ClientOptions client;
  std::string release;
  bool check = false;
  bool listing = false;
};

// Lines out of pieces that are cut anywhere.
class LineReader {
 public:
  using OnLine = std::function<Result<void>(std::string_view)>;
  explicit LineReader(OnLine on_line) : on_line_(std::move(on_line)) {}

  Result<void> Feed(ByteView piece) {
    std::string_view text = AsText(piece);
    for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
      line_ += text.substr(0, end);
      HNX_TRY(on_line_(line_));
      line_.clear();
      text.remove_prefix(end + 1);
    }
    line_ += text;
    return line_.size() <= mirror::kListingLineBytesMax
               ? Result<void>()
               : Result<void>(DataLoss("listing.zst: a line is too long"));
  }

 private:
  const OnLine on_line_;
  std::string line_;
};

pb::ReadReleaseFileRequest FileOf(const ManifestOptions& options, std::string_view file) {
  pb::ReadReleaseFileRequest request;
  request.set_release(options.release);
  request.set_file(std::string(file));
  return request;
}

Result<void> ReadListing(CoordinatorClient& client, const ManifestOptions& options,
                         const LineReader::OnLine& on_line) {
  HNX_ASSIGN_OR_RETURN(const auto decompressor, nix::Decompressor::Create(nix::Compression::kZstd));
  LineReader lines(on_line);
  const auto sink = [&](ByteView piece) { return lines.Feed(piece); };
  HNX_TRY(client.ReadReleaseFile(
      FileOf(options, mirror::kListingFile),
      [&](std::string_view chunk) { return decompressor->Feed(AsBytes(chunk), sink); }));
  return decompressor->Finish(sink);
}

void PrintCheck(const ManifestOptions& options, const mirror::ReleaseProof& proof,
                const std::vector<std::string>& findings) {
  const mirror::ReleaseManifest& manifest = proof.manifest();
  if (options.client.json) {
    std::cout << cli::JsonLine({{"channel", manifest.channel},
                                {"release", manifest.release},
                                {"manifest_revision", manifest.manifest_revision},
                                {"paths", manifest.total},
                                {"published", manifest.published},
                                {"left_out", manifest.left_out},
                                {"listed", proof.listed()},
                                {"findings", findings}})
              << '\n';
    return;
  }
  for (const std::string& finding : findings) {
    std::cout << "wrong: " << cli::Printable(finding) << '\n';
  }
  std::cout << fmt::format(
      "{}/{}, revision {} of its manifest: {} of {} paths published{}, {} in {} NARs: {}\n",
      cli::Printable(manifest.channel), cli::Printable(manifest.release),
      manifest.manifest_revision, cli::FormatCount(manifest.published),
      cli::FormatCount(manifest.total),
      manifest.left_out > 0
          ? fmt::format(", {} outside of the budget", cli::FormatCount(manifest.left_out))
          : "",
      cli::FormatBytes(manifest.nar_bytes), cli::FormatCount(manifest.nars),
      findings.empty() ? "it adds up" : "DOES NOT ADD UP");
}

Result<cli::ExitCode> Check(CoordinatorClient& client, const ManifestOptions& options) {
  std::string text;
  HNX_TRY(client.ReadReleaseFile(
      FileOf(options, mirror::kManifestFile), [&](std::string_view chunk) -> Result<void> {
        text += chunk;
        return text.size() <= mirror::kManifestBytesMax
                   ? Result<void>()
                   : Result<void>(ResourceExhausted("manifest.json is larger than any may be"));
      }));
  mirror::ReleaseProof proof;
  HNX_TRY(proof.ReadManifest(text, [](const mirror::UnpublishedPath&) {}));
  text.clear();
  const auto take = [&](std::string_view line) -> Result<void> {
    HNX_TRY(proof.TakeLine(line));
    return {};
  };
  HNX_TRY(ReadListing(client, options, take));
  const std::vector<std::string> findings = proof.Findings();
  PrintCheck(options, proof, findings);
  return findings.empty() ? cli::ExitCode::kOk : cli::ExitCode::kFailure;
}

Result<cli::ExitCode> ShowManifest(const ManifestOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  if (options.check && options.listing) {
    return InvalidArgument("give one of --check and --listing");
  }
  if (options.check) {
    return Check(client, options);
  }
  if (options.listing) {
    HNX_TRY(ReadListing(client, options, [](std::string_view line) -> Result<void> {
      std::cout << cli::Printable(std::string(line)) << '\n';
      return {};
    }));
    return cli::ExitCode::kOk;
  }
  // JSON already, one item a line.
  HNX_TRY(client.ReadReleaseFile(FileOf(options, mirror::kManifestFile),
                                 [](std::string_view chunk) -> Result<void> {
                                   std::cout << chunk;
                                   return {};
                                 }));
  return cli::ExitCode::kOk;
}

}  // namespace

void AddManifestCommand(cli::Program& program) {
  auto options = std::make_shared<ManifestOptions>();
  CLI::App& command = program.AddCommand(
      "manifest",
      "Print the proof of completeness that was published of a release, or check that it adds up.\n"
      "`hyp verify --release` checks it against the drives",
      [options] {
        const auto code = ShowManifest(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator manifest nixos-unstable | jq .paths\n"
      "coordinator manifest 3 --check\n"
      "coordinator manifest 3 --listing | head",
      cli::kAskingExits);
  command
      .add_option("release", options->release, "A release: number, CHANNEL/NAME, NAME, or CHANNEL")
      ->required()
      ->configurable(false);
  cli::AddFlag(command, "--check", options->check,
               "Compare the counts of manifest.json with what it and listing.zst list");
  cli::AddFlag(command, "--listing", options->listing,
               "Print listing.zst, unpacked: one line a published path");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
