// The drive that bench/replicate copies: files of noise, of one size, in one batch each.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::bench {

// Path of the file of that number.
std::string BenchFilePath(std::size_t number);

// Makes it in `folder`, which must be empty or missing.
Result<hyper::DriveKey> MakeBenchDrive(const std::filesystem::path& folder, std::size_t files,
                                       std::size_t file_bytes);

}  // namespace hnx::bench
