#include "worker/pipeline/fetcher.h"

#include <utility>

#include <fmt/core.h>

#include "worker/pipeline/file_reader.h"

namespace hnx::worker {
namespace {

constexpr std::string_view kFileScheme = "file://";

class HttpTransfer final : public Transfer {
 public:
  explicit HttpTransfer(std::shared_ptr<http::ResumingDownload> download)
      : download_(std::move(download)) {}
  void Resume() override { download_->Resume(); }
  void Cancel() override { download_->Cancel(); }

 private:
  std::shared_ptr<http::ResumingDownload> download_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "%2B" -> '+'; what is no escape stays.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

class SchemeFetcher final : public Fetcher {
 public:
  SchemeFetcher(http::HttpClient& http, FetcherOptions options)
      : http_(http), options_(std::move(options)), files_(options_.import_dir) {}

  std::shared_ptr<Transfer> Start(const FetchRequest& request,
                                  std::shared_ptr<http::DownloadSink> sink) override {
    if (request.url.starts_with(kFileScheme)) {
      return files_.Start(Unescape(request.url.substr(kFileScheme.size())), request.body_size_max,
                          std::move(sink));
    }
    // Anything but http and https is refused by the client.
    http::DownloadRequest download;
    download.url = request.url;
    download.body_size_max = request.body_size_max;
    download.redirect_hosts = options_.redirect_hosts;
    return std::make_shared<HttpTransfer>(
        http::ResumingDownload::Start(http_, std::move(download), std::move(sink)));
  }

 private:
  http::HttpClient& http_;
  const FetcherOptions options_;
  FileReader files_;
};

}  // namespace

std::unique_ptr<Fetcher> MakeFetcher(http::HttpClient& http, FetcherOptions options) {
  return std::make_unique<SchemeFetcher>(http, std::move(options));
}

NarFailure FailureOfDownload(const http::HttpFailure& failure) {
  NarFailure nar;
  nar.code = failure.code;
  // A refusal's status says most, and otherwise the client's word: of a redirect what is wrong with
  // it.
  constexpr int kErrorStatusMin = 400;
  nar.reason = failure.status >= kErrorStatusMin
                   ? fmt::format("http-{}", failure.status)
                   : std::string(http::HttpReasonName(failure.reason));
  nar.message = failure.message;
  nar.retry_after = failure.retry_after.value_or(std::chrono::milliseconds(0));
  return nar;
}

}  // namespace hnx::worker
