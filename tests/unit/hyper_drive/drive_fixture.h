// A drive in a scratch folder, with the verbs of the tests.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/drive/hyperdrive.h"
#include "scratch_folder.h"

namespace hnx::hyper {

// The value of a result that must be there.
template <class T>
T Must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());  // GoogleTest reports it and goes on
  }
  return *std::move(result);
}
inline void Must(const Result<void>& result) {
  ASSERT_TRUE(result.has_value()) << result.error().ToString();
}

// Its error; 0 when there is none.
ErrorCode CodeOf(const auto& result) {
  return result.has_value() ? ErrorCode{} : result.error().code;
}

class DriveFixture : public testing::Test {
 protected:
  DriveFixture() { Create(); }

  void Create() {
    store_ = Must(Corestore::Create(folder_.path() / "store", Key(7)));
    drive_ = Must(Hyperdrive::OpenOrCreate(*store_));
  }
  // As after the end of the process.
  void Reopen() {
    drive_.reset();
    store_.reset();
    store_ = Must(Corestore::Open(folder()));
    drive_ = Must(Hyperdrive::Open(*store_));
  }

  static PrimaryKey Key(unsigned char fill) {
    PrimaryKey key{};
    key.fill(std::byte{fill});
    return key;
  }
  std::filesystem::path folder() const { return folder_.path() / "store"; }

  DriveHead Put(const std::string& path, const std::string& content) {
    return Must(drive_->Put(path, AsBytes(content)));
  }
  std::string Get(const std::string& path) { return ToString(Must(drive_->Get(path, 64 << 20))); }
  std::unique_ptr<DriveReader> OpenReader() {
    return Must(DriveReader::Open({folder(), std::nullopt}));
  }
  static std::string Read(const DriveReader& reader, const std::string& path) {
    return ToString(Must(reader.ReadFile(path, 64 << 20)));
  }
  static std::vector<std::string> Paths(std::unique_ptr<DriveList> list) {
    std::vector<std::string> paths;
    while (auto entry = Must(list->Next())) {
      paths.push_back(entry->path);
    }
    return paths;
  }
  // Bytes that differ from place to place, so that a mistaken offset shows.
  static std::string Pattern(std::size_t size, unsigned seed = 1) {
    std::string text(size, '\0');
    unsigned state = seed * 2654435761U + 1;
    for (char& c : text) {
      state = state * 1664525U + 1013904223U;
      c = static_cast<char>(state >> 24);
    }
    return text;
  }

  ScratchFolder folder_;
  std::unique_ptr<Corestore> store_;
  std::unique_ptr<Hyperdrive> drive_;
};

}  // namespace hnx::hyper
