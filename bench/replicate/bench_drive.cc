#include "bench/replicate/bench_drive.h"

#include <cstring>
#include <random>
#include <system_error>

#include "base/bytes.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::bench {
namespace {

void FillWithNoise(Bytes& bytes, std::mt19937_64& random) {
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(&bytes[at], &word, sizeof word);
  }
  for (; at < bytes.size(); ++at) {
    bytes[at] = static_cast<std::byte>(random());
  }
}

}  // namespace

std::string BenchFilePath(std::size_t number) {
  return "/nar/" + std::to_string(number) + ".nar";
}

Result<hyper::DriveKey> MakeBenchDrive(const std::filesystem::path& folder, std::size_t files,
                                       std::size_t file_bytes) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Internal("create folder " + folder.string() + ": " + error.message());
  }
  HNX_ASSIGN_OR_RETURN(const auto store, hyper::Corestore::Create(folder));
  HNX_ASSIGN_OR_RETURN(const auto drive, hyper::Hyperdrive::OpenOrCreate(*store));
  std::mt19937_64 random(42);
  Bytes content(file_bytes);
  for (std::size_t number = 0; number < files; ++number) {
    FillWithNoise(content, random);
    HNX_ASSIGN_OR_RETURN(const auto batch, drive->BeginBatch());
    HNX_TRY(batch->Put(BenchFilePath(number), content));
    HNX_TRY(batch->Commit());
  }
  return drive->key();
}

}  // namespace hnx::bench
