#include "bench/walk/plain_walk.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <unordered_set>

#include <curl/curl.h>

#include "base/check.h"

namespace hnx::bench {
namespace {

constexpr int kConnections = 16;
constexpr std::size_t kHashLength = 32;

struct Transfer {
  CURL* handle = nullptr;
  std::string body;
};

std::size_t Append(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

class Walk {
 public:
  explicit Walk(std::string url) : url_(std::move(url)), multi_(::curl_multi_init()) {
    HNX_CHECK(multi_ != nullptr);
    for (Transfer& transfer : transfers_) {
      transfer.handle = ::curl_easy_init();
      ::curl_easy_setopt(transfer.handle, CURLOPT_WRITEFUNCTION, Append);
      ::curl_easy_setopt(transfer.handle, CURLOPT_WRITEDATA, &transfer.body);
      ::curl_easy_setopt(transfer.handle, CURLOPT_PRIVATE, &transfer);
    }
  }
  ~Walk() {
    for (Transfer& transfer : transfers_) {
      ::curl_easy_cleanup(transfer.handle);
    }
    ::curl_multi_cleanup(multi_);
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  void Discover(std::string hash) {
    if (seen_.insert(hash).second) {
      frontier_.push_back(std::move(hash));
    }
  }

  std::uint64_t Run() {
    for (Transfer& transfer : transfers_) {
      idle_.push_back(&transfer);
    }
    int running = 0;
    do {
      StartWhatCan();
      ::curl_multi_perform(multi_, &running);
      TakeDone();
      if (running > 0 && (frontier_.empty() || idle_.empty())) {
        ::curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
      }
    } while (running > 0 || !frontier_.empty());
    return read_;
  }

 private:
  void StartWhatCan() {
    while (!frontier_.empty() && !idle_.empty()) {
      Transfer* transfer = idle_.back();
      idle_.pop_back();
      transfer->body.clear();
      const std::string url = url_ + "/" + frontier_.front() + ".narinfo";
      frontier_.pop_front();
      ::curl_easy_setopt(transfer->handle, CURLOPT_URL, url.c_str());
      ::curl_multi_add_handle(multi_, transfer->handle);
    }
  }
  void TakeDone() {
    int left = 0;
    while (CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
      HNX_CHECK(message->msg == CURLMSG_DONE && message->data.result == CURLE_OK);
      Transfer* transfer = nullptr;
      ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      ::curl_multi_remove_handle(multi_, transfer->handle);
      idle_.push_back(transfer);
      ++read_;
      TakeReferences(transfer->body);
    }
  }
  void TakeReferences(const std::string& body) {
    constexpr std::string_view kField = "\nReferences: ";
    std::size_t at = body.find(kField);
    HNX_CHECK(at != std::string::npos);
    at += kField.size();
    const std::size_t end = body.find('\n', at);
    while (at + kHashLength < end) {
      Discover(body.substr(at, kHashLength));
      at = std::min(body.find(' ', at), end) + 1;
    }
  }

  const std::string url_;
  CURLM* multi_;
  std::array<Transfer, kConnections> transfers_;
  std::vector<Transfer*> idle_;
  std::deque<std::string> frontier_;
  std::unordered_set<std::string> seen_;
  std::uint64_t read_ = 0;
};

}  // namespace

std::uint64_t PlainWalk(const std::string& url, const std::vector<std::string>& roots) {
  Walk walk(url);
  for (const std::string& root : roots) {
    walk.Discover(root);
  }
  return walk.Run();
}

}  // namespace hnx::bench
