// A small mirror in a scratch folder, an index and a shard with signed narinfos and their NARs, and
// the program hyp to run on it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "nix/signature.h"
#include "nix/store_path.h"

namespace hnx::hyp {

class MirrorFixture : public testing::Test {
 protected:
  struct Outcome {
    int status = -1;
    std::string out;  // standard output
    std::string err;
  };

  MirrorFixture();
  ~MirrorFixture() override;

  // Runs hyp with these words and --drives.
  Outcome Hyp(std::vector<std::string> words) const;
  std::string Address(const std::string& path = "") const { return "hyper://" + key_ + path; }

  // Puts a NAR of `content` into the shard, its link and narinfo into the index.
  nix::StorePath Publish(const std::string& name, const std::string& content,
                         const std::vector<nix::StorePath>& references = {});
  hyper::Hyperdrive& index() { return *index_; }
  hyper::Hyperdrive& shard() { return *shard_; }
  // So many small files in both drives that their cores write tree and bitfield.
  void FillUntilFlushed();
  // Closes the drives, as when the worker ended.
  void CloseDrives();
  std::filesystem::path folder() const { return folder_; }
  std::string trusted_key() const { return signer_.public_key().ToString(); }
  // Flips one bit of a file below `folder`.
  static void FlipBit(const std::filesystem::path& file, std::uint64_t byte);

  static std::string NarOf(const std::string& content);

 private:
  std::unique_ptr<hyper::Hyperdrive> MakeDrive(unsigned char fill,
                                               std::unique_ptr<hyper::Corestore>& store);
  void WriteMirrorJson();

  std::filesystem::path folder_;
  nix::SecretKey signer_;
  std::unique_ptr<hyper::Corestore> index_store_;
  std::unique_ptr<hyper::Corestore> shard_store_;
  std::unique_ptr<hyper::Hyperdrive> index_;
  std::unique_ptr<hyper::Hyperdrive> shard_;
  std::string key_;
};

}  // namespace hnx::hyp
