// bench_http_client BASE_URL PATHS_FILE CONNECTIONS [ROUNDS]: fetches all paths (one a line, as
// they follow BASE_URL) with HttpClient and with a plain curl multi loop in turns, the same number
// of connections, and prints both rates and the median of the ratios.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "http/http_client.h"

// The plain loop, in its own file: curl is used only here and in libs/http.
double FetchWithPlainCurl(const std::vector<std::string>& urls, int connections);

namespace hnx::http {
namespace {

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

double FetchWithHttpClient(HttpClient& client, const std::vector<std::string>& urls) {
  struct State {
    Mutex mutex;
    CondVar changed;
    std::size_t left;
    std::atomic<int> failures{0};
  };
  const auto state = std::make_shared<State>();
  state->left = urls.size();
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& url : urls) {
    HttpRequest request;
    request.url = url;
    request.body_size_max = 1 << 20;
    client.FetchAsync(std::move(request), [state](HttpResult<HttpResponse> result) {
      state->failures += result ? 0 : 1;
      MutexLock lock(state->mutex);
      if (--state->left == 0) {
        state->changed.NotifyAll();
      }
    });
  }
  {
    MutexLock lock(state->mutex);
    while (state->left > 0) {
      state->changed.Wait(state->mutex);
    }
  }
  HNX_CHECK(state->failures == 0);
  return static_cast<double>(urls.size()) / Seconds(begin);
}

}  // namespace
}  // namespace hnx::http

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: bench_http_client BASE_URL PATHS_FILE CONNECTIONS [ROUNDS]\n";
    return 2;
  }
  std::vector<std::string> urls;
  std::ifstream paths(argv[2]);
  for (std::string line; std::getline(paths, line);) {
    urls.push_back(argv[1] + line);
  }
  const int connections = std::stoi(argv[3]);
  const int rounds = argc > 4 ? std::stoi(argv[4]) : 5;
  hnx::http::HttpClientOptions options;
  options.connections_per_host_max = connections;
  options.in_flight_max = connections;
  hnx::http::HttpClient client(options);
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    const double plain = FetchWithPlainCurl(urls, connections);
    const double ours = hnx::http::FetchWithHttpClient(client, urls);
    ratios.push_back(ours / plain);
    std::printf("plain curl multi %.0f/s, HttpClient %.0f/s, ratio %.2f\n", plain, ours,
                ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("median ratio %.2f\n", ratios[ratios.size() / 2]);
  return 0;
}
