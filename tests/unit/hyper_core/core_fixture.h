// The words in which the tests of cores are written: a disk in memory that outlives the core opened
// on it, and verbs that fail the test by themselves.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "hyper/core/core_reader.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/keys.h"
#include "hyper/storage/memory_core_storage.h"

namespace hnx::hyper {

inline std::array<std::byte, 32> SevenKey() {
  std::array<std::byte, 32> key;
  key.fill(std::byte{7});
  return key;
}

// The db core of the store whose primary key is 32 times 0x07.
inline NewCore SevenCore() {
  KeyPair pair = DeriveKeyPair(SevenKey(), kRootStoreNamespace, "db");
  Manifest manifest = Manifest::SingleSigner(pair.public_key);
  return {std::move(manifest), std::move(pair), {}};
}

template <class T>
T Must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
inline void Must(const Result<void>& result) {
  if (!result) {
    ADD_FAILURE() << result.error().ToString();
    throw std::runtime_error(result.error().ToString());
  }
}
template <class T>
ErrorCode CodeOf(const Result<T>& result) {
  return result ? ErrorCode{} : result.error().code;
}

class CoreTest : public ::testing::Test {
 protected:
  void Create() { core_ = Must(Hypercore::Create(Storage(), SevenCore())); }
  void Reopen() {
    core_.reset();
    core_ = Must(Hypercore::Open(Storage()));
  }
  Result<std::unique_ptr<Hypercore>> TryOpen() {
    core_.reset();
    return Hypercore::Open(Storage());
  }
  std::unique_ptr<CoreReader> Reader() { return Must(CoreReader::Open(Storage())); }
  std::unique_ptr<CoreStorage> Storage() { return std::make_unique<MemoryCoreStorage>(files_); }

  CoreHead Append(std::string_view block) {
    const ByteView view = AsBytes(block);
    return Must(core_->Append(std::span(&view, 1)));
  }
  void AppendMany(int count, std::size_t bytes_each = 50) {
    for (int i = 0; i < count; ++i) {
      Append(std::string(bytes_each, static_cast<char>('a' + i % 26)) + std::to_string(i));
    }
  }
  std::string Get(std::uint64_t block) { return ToString(Must(core_->Get(BlockIndex(block)))); }
  void Clear(std::uint64_t begin, std::uint64_t end) {
    Must(core_->Clear({BlockIndex(begin), BlockIndex(end)}));
  }

  Bytes& File(CoreFile file) { return files_->of(file); }
  void FlipBit(CoreFile file, std::uint64_t bit) {
    File(file)[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
  }
  AuditReport Audit() {
    MemoryCoreStorage storage(files_);
    return Must(AuditCore(storage));
  }

  std::shared_ptr<MemoryCoreFiles> files_ = std::make_shared<MemoryCoreFiles>();
  std::unique_ptr<Hypercore> core_;
};

}  // namespace hnx::hyper
