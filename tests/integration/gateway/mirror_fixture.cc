#include "mirror_fixture.h"

#include <cstdlib>
#include <utility>

#include "mirror/drive_link.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"

namespace hnx::gateway {
namespace {

constexpr std::string_view kNix32 = "0123456789abcdfghijklmnpqrsvwxyz";

std::string Nix32(int number, std::size_t size) {
  std::string text(size, '0');
  for (std::size_t i = 0; number > 0 && i < size; ++i, number /= 32) {
    text[size - 1 - i] = kNix32[static_cast<std::size_t>(number % 32)];
  }
  return text;
}

template <class T>
T Must(Result<T> result) {
  EXPECT_TRUE(result) << result.error().message;
  return *std::move(result);
}

std::filesystem::path TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "hnx-gateway-XXXXXX").string();
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  return name;
}

// A drive's folder is named by its key, which is only known once it was made.
std::pair<std::unique_ptr<hyper::Corestore>, std::unique_ptr<hyper::Hyperdrive>> MakeDrive(
    const std::filesystem::path& folder, const std::string& name) {
  std::filesystem::create_directories(folder / name);
  hyper::DriveKey key = [&] {
    const auto store = Must(hyper::Corestore::Create(folder / name));
    return Must(hyper::Hyperdrive::OpenOrCreate(*store))->key();
  }();
  std::filesystem::rename(folder / name, folder / key.id());
  auto store = Must(hyper::Corestore::Open(folder / key.id()));
  auto drive = Must(hyper::Hyperdrive::OpenOrCreate(*store));
  return {std::move(store), std::move(drive)};
}

}  // namespace

std::string StoreHash(int number) {
  return Nix32(number, 32);
}

std::string NarFileName(int number) {
  return Nix32(number, 52) + ".nar.xz";
}

std::string NarInfoText(int number, const std::string& nar_file) {
  return "StorePath: /nix/store/" + StoreHash(number) + "-test\nURL: nar/" + nar_file +
         "\nCompression: xz\nNarHash: sha256:" + Nix32(number, 52) +
         "\nNarSize: 120\nReferences: \nSig: test-1:" + std::string(86, 'A') + "==\n";
}

MirrorTest::MirrorTest(bool checked) : folder_(TemporaryFolder()) {
  std::tie(index_store_, index_) = MakeDrive(folder_, "index");
  std::tie(shard_store_, shard_) = MakeDrive(folder_, "shard");
  mirror::MirrorJson description;
  description.upstream = "https://cache.example";
  description.public_keys = {"test-1:key"};
  description.shards.push_back({shard_->key(), shard_->content_key(), 0, 0});
  PutInIndex("/mirror.json", description.Serialize());
  source_ = std::make_unique<DriveMirrorSource>(
      mirror::MirrorReaderOptions{.directory = folder_, .index_key = index_->key()}, checked);
  refresher_ =
      std::make_unique<SourceRefresher>(*source_, std::chrono::milliseconds(100), metrics_);
  refresher_->RunOnce();
  gateway_ = std::make_unique<Gateway>(*source_, GatewaySettings{.index_id = index_->key().id()},
                                       metrics_, [this] { return refresher_->ReadyItems(); });
  http::HttpServerOptions options;
  options.listen = "127.0.0.1:0";
  server_ = Must(http::HttpServer::Start(
      options, [this](const http::ServerRequest& request) { return gateway_->Answer(request); }));
}

MirrorTest::~MirrorTest() {
  server_->Stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void MirrorTest::PutInIndex(const std::string& path, const std::string& content) {
  Must(index_->Put(path, AsBytes(content)));
  if (refresher_) {
    Refresh();
  }
}

void MirrorTest::LinkInIndex(const std::string& path, const std::string& linkname) {
  Must(index_->Symlink(path, linkname));
  Refresh();
}

void MirrorTest::Publish(int number, const std::string& nar) {
  const std::string file = NarFileName(number);
  Must(shard_->Put(mirror::NarPath(file), AsBytes(nar)));
  const auto batch = Must(index_->BeginBatch());
  EXPECT_TRUE(batch->Symlink(mirror::NarPath(file), mirror::DriveLink::Make(shard_->key(), file)));
  Must(batch->Put(mirror::NarInfoPath(StoreHash(number)), AsBytes(NarInfoText(number, file))));
  Must(batch->Commit());
  Refresh();
}

void MirrorTest::Unpublish(int number) {
  Must(index_->Del(mirror::NarInfoPath(StoreHash(number))));
  Refresh();
}

RawAnswer MirrorTest::Ask(const std::string& request, bool has_body) {
  RawClient client(server_->port());
  return client.Ask(request, has_body);
}

}  // namespace hnx::gateway
