// The worker's pipeline on a list of NARs, with a trivial source of jobs in the process: download,
// both hashes, NAR check, Merkle trees, fsync; and beside it the least work that verification can
// be.
//
//   mirror_bench mirror LIST DATA_DIR   fetch and store; LIST has a line "URL NARHASH NARSIZE
//                                       COMPRESSION FILEHASH FILESIZE" for each NAR
//   mirror_bench decode LIST_OF_FILES   hash, decompress and check local files (a PATH in place of
//                                       the URL) on as many threads, no network and no disk
//
// Prints seconds, CPU seconds, bytes and peak memory as one JSON object.
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mutex.h"
#include "nix/nar_file_verifier.h"
#include "worker/data_directory.h"
#include "worker/metrics.h"
#include "worker/pipeline/pipeline.h"

namespace hnx {
namespace {

class Counter final : public worker::NarOutcomes {
 public:
  explicit Counter(std::size_t expected) : left_(expected) {}
  void OnStored(const worker::NarRef& /*nar*/) override { Count(false); }
  void OnFailed(const worker::NarRef& nar, worker::NarFailure failure) override {
    std::cerr << "NAR " << nar.nar_id << ": " << failure.message << '\n';
    Count(true);
  }
  void OnProgress(std::uint64_t /*job_id*/, std::uint64_t /*bytes*/) override {}
  // The number of failures.
  std::size_t Wait() {
    MutexLock lock(mutex_);
    while (left_ > 0) {
      changed_.Wait(mutex_);
    }
    return failed_;
  }

 private:
  void Count(bool failed) {
    MutexLock lock(mutex_);
    --left_;
    failed_ += failed ? 1 : 0;
    changed_.NotifyAll();
  }
  Mutex mutex_;
  CondVar changed_;
  std::size_t left_ HNX_GUARDED_BY(mutex_);
  std::size_t failed_ HNX_GUARDED_BY(mutex_) = 0;
};

std::vector<worker::NarUnit> ReadList(const std::string& path) {
  std::ifstream list(path);
  std::vector<worker::NarUnit> units;
  std::string url;
  std::string hash;
  std::string compression;
  std::uint64_t size = 0;
  std::string file_hash;
  std::uint64_t file_size = 0;
  while (list >> url >> hash >> size >> compression >> file_hash >> file_size) {
    const auto parsed = nix::Hash::Parse(hash);
    const auto parsed_file = nix::Hash::Parse(file_hash);
    const auto kind = nix::ParseCompression(compression);
    if (!parsed || !parsed_file || !kind) {
      std::cerr << "bad line for " << url << '\n';
      std::exit(2);
    }
    units.push_back({{1, 1, units.size()},
                     url,
                     url.substr(url.rfind('/') + 1),
                     url,
                     file_size,
                     {*kind, *parsed, size, *parsed_file, file_size, {}, {}}});
  }
  return units;
}

int Mirror(const std::vector<worker::NarUnit>& units, const std::string& data_dir) {
  const auto data = worker::DataDirectory::Open(data_dir);
  if (!data) {
    std::cerr << data.error().message << '\n';
    return 1;
  }
  worker::Metrics metrics;
  Counter counter(units.size());
  std::atomic<worker::Pipeline*> pump{nullptr};
  worker::ShardEnvironment environment{**data,
                                       counter,
                                       metrics,
                                       worker::kShardSizeMaxDefault,
                                       [] {},
                                       [&] {
                                         if (worker::Pipeline* pipeline = pump) {
                                           pipeline->Pump();
                                         }
                                       }};
  http::HttpClientOptions http_options;
  http_options.receive_buffer_bytes = std::size_t{128} << 10;
  http::HttpClient http(http_options);
  const auto fetcher = worker::MakeFetcher(http, {});
  worker::PipelineOptions options;
  options.decode_threads = std::thread::hardware_concurrency();
  worker::ShardSet shards(environment, {}, options.decode_threads + 1);
  worker::Pipeline pipeline(options, *fetcher, shards, counter, metrics);
  pump = &pipeline;
  pipeline.Begin(units);
  const std::size_t failed = counter.Wait();
  shards.Stop();
  pump = nullptr;
  pipeline.Stop();
  return failed == 0 ? 0 : 1;
}

int Decode(const std::vector<worker::NarUnit>& files) {
  constexpr std::size_t kReadBytes = std::size_t{256} << 10;
  std::atomic<std::size_t> next{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    threads.emplace_back([&] {
      Bytes buffer(kReadBytes);
      for (std::size_t n = next++; n < files.size(); n = next++) {
        auto verifier = nix::NarFileVerifier::Create(files[n].expectation);
        const auto file = OpenFile(files[n].url, O_RDONLY);
        std::uint64_t offset = 0;
        while (verifier && file) {
          const auto count = ReadUpToAt(file->get(), offset, buffer);
          if (!count || *count == 0 || !(*verifier)->Feed(ByteView(buffer).first(*count))) {
            break;
          }
          offset += *count;
        }
        failed += verifier && (*verifier)->Finish() ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return failed == 0 ? 0 : 1;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int Main(const std::vector<std::string>& words) {
  if (words.size() < 2) {
    std::cerr << "usage: mirror_bench mirror LIST DATA_DIR | decode LIST\n";
    return 2;
  }
  SetUpLogging("warning", LogFormat::kText);
  (void)::mallopt(M_ARENA_MAX, 2);
  const auto units = ReadList(words[1]);
  const auto began = std::chrono::steady_clock::now();
  const int status =
      words[0] == "mirror" && words.size() == 3 ? Mirror(units, words[2]) : Decode(units);
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"seconds\":" << wall
            << ",\"cpu_seconds\":" << Seconds(usage.ru_utime) + Seconds(usage.ru_stime)
            << ",\"nars\":" << units.size() << ",\"peak_kib\":" << usage.ru_maxrss << "}\n";
  return status;
}

}  // namespace
}  // namespace hnx

int main(int argc, char** argv) {
  return hnx::Main({argv + 1, argv + argc});
}
