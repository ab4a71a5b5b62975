// What the HTTP client's tests share: a server that misbehaves, a client with short limits, and a
// handler that records.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "http/http_client.h"
#include "http/resuming_download.h"
#include "support/fault_http_server.h"

namespace hnx::http {

// Pseudo-random bytes: a wrong offset never looks right.
std::string Noise(std::size_t size);

class RecordingHandler : public TransferHandler {
 public:
  void OnBegin(TransferId id) override { id_ = id; }
  Result<void> OnHead(const HttpResponseHead& head) override;
  Result<DataVerdict> OnData(ByteView chunk) override;
  void OnDone(HttpOutcome outcome) override { done_.set_value(std::move(outcome)); }

  // Waits for OnDone, once.
  HttpOutcome Outcome() { return done_.get_future().get(); }

  std::function<Result<void>(const HttpResponseHead&)> on_head;
  std::function<Result<DataVerdict>(ByteView)> on_data;
  std::string body;
  int heads = 0;

 protected:
  TransferId id_ = 0;

 private:
  std::promise<HttpOutcome> done_;
};

class ClientTest : public ::testing::Test {
 protected:
  // Limits of milliseconds and seconds instead of minutes.
  static HttpClientOptions ShortOptions();

  HttpClient& client();
  // Makes a client with other options; the next client() is this one.
  void Use(HttpClientOptions options);

  HttpResult<HttpResponse> Get(std::string_view path);
  HttpResult<HttpResponse> Fetch(HttpRequest request) { return client().Fetch(std::move(request)); }
  // The failure of fetching `path`; fails the test when there is none.
  HttpFailure FailureOf(std::string_view path);
  HttpFailure FailureOf(HttpRequest request);

  test::FaultHttpServer server_;

 private:
  std::unique_ptr<HttpClient> client_;
};

}  // namespace hnx::http
