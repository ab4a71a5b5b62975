#include <deque>
#include <utility>

#include "base/mutex.h"
#include "coordinator/walk/narinfo_source.h"
#include "nix/cache_info.h"
#include "nix/nar_info.h"

namespace hnx::coordinator {
namespace {

using Done = std::function<void(NarInfoAnswer)>;

// Few large answers at a time. Shared with the reads that are under way.
class LargeReads : public std::enable_shared_from_this<LargeReads> {
 public:
  explicit LargeReads(http::HttpClient& client) : client_(client) {}

  void Read(http::HttpRequest request, Done done) {
    {
      MutexLock lock(mutex_);
      if (running_ >= kLargeReadsMax) {
        waiting_.emplace_back(std::move(request), std::move(done));
        return;
      }
      ++running_;
    }
    Start(std::move(request), std::move(done));
  }

 private:
  void Start(http::HttpRequest request, Done done) {
    auto self = shared_from_this();
    client_.FetchAsync(std::move(request), [self, done = std::move(done)](auto response) {
      self->StartNext();
      done(std::move(response).map(
          [](http::HttpResponse&& whole) { return std::move(whole.body); }));
    });
  }
  void StartNext() {
    std::pair<http::HttpRequest, Done> next;
    {
      MutexLock lock(mutex_);
      if (waiting_.empty()) {
        --running_;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Start(std::move(next.first), std::move(next.second));
  }

  http::HttpClient& client_;
  Mutex mutex_;
  int running_ HNX_GUARDED_BY(mutex_) = 0;
  // As many as the walk has in flight at most.
  std::deque<std::pair<http::HttpRequest, Done>> waiting_ HNX_GUARDED_BY(mutex_);
};

class HttpNarInfoSource final : public NarInfoSource {
 public:
  HttpNarInfoSource(http::HttpClient& client, std::string upstream_url)
      : client_(client),
        upstream_url_(std::move(upstream_url)),
        large_(std::make_shared<LargeReads>(client)) {}

  void Read(const std::string& hash, Done done) override {
    http::HttpRequest request;
    request.url = upstream_url_ + "/" + hash + ".narinfo";
    request.body_size_max = kUsualNarInfoBytesMax;
    request.encoding = http::EncodingPolicy::kDecode;
    http::HttpRequest again = request;
    again.body_size_max = nix::kNarInfoSizeMax;
    client_.FetchAsync(std::move(request), [large = large_, again = std::move(again),
                                            done = std::move(done)](auto response) mutable {
      if (!response && response.error().reason == http::HttpReason::kBodyTooLarge) {
        large->Read(std::move(again), std::move(done));
        return;
      }
      done(std::move(response).map(
          [](http::HttpResponse&& whole) { return std::move(whole.body); }));
    });
  }

  http::HttpResult<std::string> ReadCacheInfo() override {
    http::HttpRequest request;
    request.url = upstream_url_ + "/nix-cache-info";
    request.body_size_max = nix::kCacheInfoSizeMax;
    request.encoding = http::EncodingPolicy::kDecode;
    return client_.Fetch(std::move(request)).map([](http::HttpResponse&& whole) {
      return std::move(whole.body);
    });
  }

 private:
  http::HttpClient& client_;
  const std::string upstream_url_;
  const std::shared_ptr<LargeReads> large_;
};

constexpr std::string_view kFileScheme = "file://";

}  // namespace

std::unique_ptr<NarInfoSource> MakeHttpNarInfoSource(http::HttpClient& client,
                                                     const std::string& upstream_url) {
  return std::make_unique<HttpNarInfoSource>(client, upstream_url);
}

std::unique_ptr<NarInfoSource> MakeNarInfoSource(http::HttpClient& client,
                                                 const std::string& upstream_url) {
  return upstream_url.starts_with(kFileScheme)
             ? MakeFolderNarInfoSource(upstream_url.substr(kFileScheme.size()))
             : MakeHttpNarInfoSource(client, upstream_url);
}

}  // namespace hnx::coordinator
