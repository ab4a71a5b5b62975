// The least that libcurl can do: one thread, one multi handle, bodies thrown away.
#include <chrono>
#include <string>
#include <vector>

#include <curl/curl.h>

namespace {

std::size_t Discard(char* /*data*/, std::size_t size, std::size_t count, void* /*closure*/) {
  return size * count;
}

}  // namespace

double FetchWithPlainCurl(const std::vector<std::string>& urls, int connections) {
  CURLM* multi = ::curl_multi_init();
  ::curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(connections));
  std::size_t next = 0;
  std::size_t done = 0;
  const auto start = [&](CURL* handle) {
    ::curl_easy_setopt(handle, CURLOPT_URL, urls[next++].c_str());
    ::curl_multi_add_handle(multi, handle);
  };
  const auto begin = std::chrono::steady_clock::now();
  std::vector<CURL*> handles;
  for (int i = 0; i < connections && next < urls.size(); ++i) {
    CURL* handle = ::curl_easy_init();
    ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Discard);
    handles.push_back(handle);
    start(handle);
  }
  while (done < urls.size()) {
    int running = 0;
    ::curl_multi_perform(multi, &running);
    int left = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi, &left)) {
      CURL* handle = message->easy_handle;
      ::curl_multi_remove_handle(multi, handle);
      ++done;
      if (next < urls.size()) {
        start(handle);
      }
    }
    if (done < urls.size()) {
      ::curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  for (CURL* handle : handles) {
    ::curl_easy_cleanup(handle);
  }
  ::curl_multi_cleanup(multi);
  return static_cast<double>(urls.size()) / passed.count();
}
