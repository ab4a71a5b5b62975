#include "client_fixture.h"

#include <random>

namespace hnx::http {

std::string Noise(std::size_t size) {
  std::mt19937_64 random(size);
  std::string text(size, '\0');
  for (char& c : text) {
    c = static_cast<char>(random());
  }
  return text;
}

Result<void> RecordingHandler::OnHead(const HttpResponseHead& head) {
  ++heads;
  return on_head ? on_head(head) : Result<void>{};
}

Result<DataVerdict> RecordingHandler::OnData(ByteView chunk) {
  body.append(AsText(chunk));
  return on_data ? on_data(chunk) : Result<DataVerdict>(DataVerdict::kContinue);
}

HttpClientOptions ClientTest::ShortOptions() {
  HttpClientOptions options;
  options.connect_timeout = std::chrono::milliseconds(2000);
  options.head_timeout = std::chrono::milliseconds(300);
  options.deadline_base = std::chrono::milliseconds(2000);
  options.deadline_rate_bytes_per_second = 1024ULL * 1024 * 1024;
  return options;
}

HttpClient& ClientTest::client() {
  if (!client_) {
    client_ = std::make_unique<HttpClient>(ShortOptions());
  }
  return *client_;
}

void ClientTest::Use(HttpClientOptions options) {
  client_ = std::make_unique<HttpClient>(std::move(options));
}

HttpResult<HttpResponse> ClientTest::Get(std::string_view path) {
  HttpRequest request;
  request.url = server_.Url(path);
  return Fetch(std::move(request));
}

HttpFailure ClientTest::FailureOf(std::string_view path) {
  HttpRequest request;
  request.url = server_.Url(path);
  return FailureOf(std::move(request));
}

HttpFailure ClientTest::FailureOf(HttpRequest request) {
  const std::string url = request.url;
  auto result = Fetch(std::move(request));
  if (result) {
    ADD_FAILURE() << url << " was accepted with status " << result->head.status;
    return {};
  }
  EXPECT_NE(result.error().message.find(url.substr(0, 300)), std::string::npos)
      << "a message names the URL: " << result.error().message;
  return result.error();
}

}  // namespace hnx::http
