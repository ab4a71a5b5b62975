#include "mirror_fixture.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"
#include "nix/hash.h"
#include "nix/nar_info_sign.h"
#include "nix/nar_writer.h"

namespace hnx::hyp {

namespace {

template <class T>
T Must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
  return *std::move(result);
}
void MustDo(const Result<void>& result) {
  if (!result) {
    throw std::runtime_error(result.error().ToString());
  }
}

std::filesystem::path MakeScratch() {
  std::string name = (std::filesystem::temp_directory_path() / "hnx-hyp-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("mkdtemp");
  }
  return name;
}

std::string ReadText(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

MirrorFixture::MirrorFixture()
    : folder_(MakeScratch()),
      signer_(Must(nix::SecretKey::FromSeed("test-1", Bytes(32, std::byte{5})))) {
  index_ = MakeDrive(1, index_store_);
  shard_ = MakeDrive(2, shard_store_);
  key_ = index_->key().hex();
  WriteMirrorJson();
}

MirrorFixture::~MirrorFixture() {
  CloseDrives();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::unique_ptr<hyper::Hyperdrive> MirrorFixture::MakeDrive(
    unsigned char fill, std::unique_ptr<hyper::Corestore>& store) {
  hyper::PrimaryKey key{};
  key.fill(std::byte{fill});
  store = Must(hyper::Corestore::Create(folder_ / hyper::Hyperdrive::KeyFor(key).id(), key));
  return Must(hyper::Hyperdrive::OpenOrCreate(*store));
}

void MirrorFixture::CloseDrives() {
  index_.reset();
  shard_.reset();
  index_store_.reset();
  shard_store_.reset();
}

void MirrorFixture::WriteMirrorJson() {
  mirror::MirrorJson json;
  json.upstream = "https://cache.example.org";
  json.public_keys = {trusted_key()};
  json.shards.push_back({shard_->key(), shard_->content_key(), 0, 0});
  Must(index_->Put(mirror::kMirrorJsonPath, AsBytes(json.Serialize())));
}

std::string MirrorFixture::NarOf(const std::string& content) {
  std::string nar;
  nix::NarWriter writer([&nar](ByteView bytes) -> Result<void> {
    nar += AsText(bytes);
    return {};
  });
  MustDo(writer.Regular(false, AsBytes(content)));
  MustDo(writer.Finish());
  return nar;
}

nix::StorePath MirrorFixture::Publish(const std::string& name, const std::string& content,
                                      const std::vector<nix::StorePath>& references) {
  const std::string nar = NarOf(content);
  const nix::Hash hash = nix::Hash::FromSha256(nix::Sha256::Of(AsBytes(nar)));
  const std::string digits = hash.ToNix32Digits();
  const std::string file = digits + ".nar";
  // Any 32 characters of the alphabet name a path.
  const nix::StorePath path =
      Must(nix::StorePath::ParseBaseName(digits.substr(0, 32) + "-" + name));
  Must(shard_->Put(mirror::NarPath(file), AsBytes(nar)));
  const std::string narinfo = nix::RenderNarInfo({.store_path = path,
                                                  .url = "nar/" + file,
                                                  .compression = nix::Compression::kNone,
                                                  .file_hash = hash,
                                                  .file_size = nar.size(),
                                                  .nar_hash = hash,
                                                  .nar_size = nar.size(),
                                                  .references = references,
                                                  .deriver = std::nullopt,
                                                  .ca = std::nullopt},
                                                 &signer_);
  Must(index_->Symlink(mirror::NarPath(file), mirror::DriveLink::Make(shard_->key(), file)));
  Must(index_->Put(mirror::NarInfoPath(path.hash_part()), AsBytes(narinfo)));
  return path;
}

void MirrorFixture::FillUntilFlushed() {
  constexpr int kFiles = 1'000;
  for (hyper::Hyperdrive* drive : {index_.get(), shard_.get()}) {
    const auto batch = Must(drive->BeginBatch());
    for (int i = 0; i < kFiles; ++i) {
      Must(batch->Put(fmt::format("/filler/{}", i), AsBytes(fmt::format("{:>100}", i))));
    }
    Must(batch->Commit());
  }
}

void MirrorFixture::FlipBit(const std::filesystem::path& file, std::uint64_t byte) {
  std::fstream raw(file, std::ios::in | std::ios::out | std::ios::binary);
  raw.seekg(static_cast<std::streamoff>(byte));
  const int value = raw.get();
  ASSERT_NE(value, EOF) << file;
  raw.seekp(static_cast<std::streamoff>(byte)).put(static_cast<char>(value ^ 0x10));
}

MirrorFixture::Outcome MirrorFixture::Hyp(std::vector<std::string> words) const {
  const char* bin = std::getenv("HNX_BIN_DIR");
  if (bin == nullptr) {
    ADD_FAILURE() << "HNX_BIN_DIR must name the folder with hyp; ctest sets it";
    return {};
  }
  words.insert(words.begin(), std::string(bin) + "/hyp");
  words.insert(words.end(), {"--drives", folder_.string()});
  ::setenv("HNX_SWARM", "off", 1);  // what is not in the folders is nowhere
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  const std::string out = folder_ / "stdout";
  const std::string err = folder_ / "stderr";
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t pid = 0;
  const int spawned =
      ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(spawned, 0) << arguments[0];
  Outcome outcome;
  int status = 0;
  if (spawned == 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
    outcome.status = WEXITSTATUS(status);
  }
  outcome.out = ReadText(out);
  outcome.err = ReadText(err);
  return outcome;
}

}  // namespace hnx::hyp
