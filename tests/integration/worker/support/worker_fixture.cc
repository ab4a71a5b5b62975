#include "worker_fixture.h"

#include <cstdlib>

#include "hyper/drive/drive_reader.h"

namespace hnx::test {

namespace fs = std::filesystem;

WorkerTest::WorkerTest() {
  std::string pattern = (fs::temp_directory_path() / "hnx-worker-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  options_.data = folder_ / "data";
  options_.coordinators = {coordinator_.endpoint()};
  options_.decode_threads = 2;
  options_.disk_reserve = 0;
}

WorkerTest::~WorkerTest() {
  worker_.reset();
  fs::remove_all(folder_);
}

void WorkerTest::StartWorker() {
  worker::WorkerOptions options = options_;
  ASSERT_TRUE(worker::Complete(&options).has_value());
  auto started = worker::Worker::Start(
      options, [this](worker::EndReason reason, const std::string& /*message*/) {
        ended_ = static_cast<int>(reason);
      });
  ASSERT_TRUE(started.has_value()) << started.error().message;
  worker_ = *std::move(started);
}

pb::NarUnit WorkerTest::Serve(const SampleNar& nar) {
  return Serve(nar, {File(nar.file)});
}

pb::NarUnit WorkerTest::Serve(const SampleNar& nar, std::vector<FaultHandler> handlers) {
  upstream_.Serve("/nar/" + nar.name, std::move(handlers));
  return nar.Unit(next_nar_++, upstream_.Url("/nar/" + nar.name));
}

std::string WorkerTest::Stored(const std::string& file) {
  std::string key;
  coordinator_.With([&](FakeCoordinator::State& state) {
    const auto& copies = state.entries[file];
    key = copies.empty() ? "" : copies.front().first;
  });
  if (key.empty()) {
    return "";
  }
  hyper::DriveReaderOptions options;
  options.folder =
      fs::path(options_.data) / "drives" / hyper::DriveKey::FromBytes(AsBytes(key))->id();
  const auto reader = hyper::DriveReader::Open(options);
  if (!reader.has_value()) {
    ADD_FAILURE() << reader.error().message;
    return "";
  }
  const auto bytes = (*reader)->ReadFile("/nar/" + file, std::uint64_t{1} << 30);
  if (!bytes.has_value()) {
    ADD_FAILURE() << bytes.error().message;
    return "";
  }
  return ToString(*bytes);
}

std::map<std::string, int> WorkerTest::FilesOnDisk() {
  std::map<std::string, int> files;
  for (const auto& entry : fs::directory_iterator(fs::path(options_.data) / "drives")) {
    hyper::DriveReaderOptions options;
    options.folder = entry.path();
    const auto reader = hyper::DriveReader::Open(options);
    if (!reader.has_value()) {
      continue;
    }
    const auto list = (*reader)->List("/nar");
    while (list.has_value()) {
      const auto next = (*list)->Next();
      if (!next.has_value() || !*next) {
        break;
      }
      ++files[(*next)->path.substr(5)];
    }
  }
  return files;
}

std::uint64_t WorkerTest::DataBytesOnDisk() {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(options_.data) / "drives")) {
    if (entry.path().filename() == "data") {
      bytes += entry.file_size();
    }
  }
  return bytes;
}

}  // namespace hnx::test
