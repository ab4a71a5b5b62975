// A gateway from afar with an empty disk, and those who have what it lacks: nodes of this process
// that serve the mirror of mirror_fixture.h over TCP.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gateway/fallback/fallback_source.h"
#include "gateway/far/far_mirror_source.h"
#include "gateway/far/peer_mirror.h"
#include "mirror_fixture.h"

namespace hnx::gateway {

template <class T>
T MustHave(Result<T> result) {
  EXPECT_TRUE(result) << result.error().message;
  return *std::move(result);
}

inline std::string Noise(std::size_t size, std::uint64_t seed) {
  std::string text(size, '\0');
  std::uint64_t state = seed * 2 + 1;
  for (char& c : text) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    c = static_cast<char>(state >> 56);
  }
  return text;
}

// A gateway with an empty disk.
struct FarSide {
  ~FarSide() {
    if (server) {
      source->Cancel();
      server->Stop();
      refresher->Stop();
    }
  }
  RawAnswer Get(const std::string& path, const std::string& headers = {}) {
    RawClient client(server->port());
    return client.Ask(Request(path, headers));
  }
  RawAnswer GetNarInfo(int number) { return Get("/" + StoreHash(number) + ".narinfo"); }
  RawAnswer GetNar(int number, const std::string& headers = {}) {
    return Get("/nar/" + NarFileName(number), headers);
  }

  http::MetricsRegistry metrics;
  std::unique_ptr<PeerMirror> mirror;
  std::unique_ptr<FarMirrorSource> source;
  // What stands between it and the gateway, when that is wanted.
  std::unique_ptr<FallbackStore> store;
  std::unique_ptr<Upstreams> upstreams;
  std::unique_ptr<FallbackNars> fallback_nars;
  std::unique_ptr<FallbackSource> fallback;
  std::unique_ptr<SourceRefresher> refresher;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<http::HttpServer> server;
};

class FarGatewayTest : public MirrorTest {
 protected:
  std::unique_ptr<hyper::PeerNode> StartOrigin(std::uint64_t bytes_per_second = 0) {
    hyper::PeerNodeOptions options;
    options.listen = {"127.0.0.1:0"};
    options.transport.peer.send_bytes_per_second = bytes_per_second;
    auto node = MustHave(hyper::PeerNode::Start(std::move(options)));
    for (const auto* drive : {index_.get(), shard_.get()}) {
      EXPECT_TRUE(node->AddServedDrive({.key = drive->key(),
                                        .content_key = drive->content_key(),
                                        .folder = folder_ / drive->key().id()}));
    }
    return node;
  }
  std::unique_ptr<FarSide> StartFar(const std::vector<std::string>& peers,
                                    std::uint64_t nar_bytes_max = std::uint64_t{1} << 30,
                                    const std::string& cache = "cache",
                                    const UpstreamsOptions& upstreams = {}) {
    auto far = std::make_unique<FarSide>();
    PeerMirrorOptions options{.index_key = index_->key(), .cache = folder_ / cache};
    options.peers = peers;
    options.listen_peers = {"127.0.0.1:0"};
    far->mirror = MustHave(PeerMirror::Open(std::move(options)));
    FarMirrorSourceOptions source_options;
    source_options.cache = folder_ / cache;
    source_options.nar_bytes_max = nar_bytes_max;
    if (!upstreams.urls.empty()) {
      source_options.waits = kWaitsWithFallback;
    }
    far->source =
        MustHave(FarMirrorSource::Open(*far->mirror, std::move(source_options), far->metrics));
    far->store = MustHave(FallbackStore::Open(folder_ / cache / "fallback", far->source->cache()));
    if (!upstreams.urls.empty()) {
      far->upstreams = MustHave(Upstreams::Create(upstreams));
      far->fallback_nars =
          std::make_unique<FallbackNars>(*far->upstreams, *far->store, far->metrics);
      far->fallback =
          std::make_unique<FallbackSource>(*far->source, *far->fallback_nars, far->metrics);
    }
    MirrorSource& served =
        far->fallback ? static_cast<MirrorSource&>(*far->fallback) : *far->source;
    far->refresher =
        std::make_unique<SourceRefresher>(served, std::chrono::milliseconds(50), far->metrics);
    far->gateway =
        std::make_unique<Gateway>(served, GatewaySettings{}, far->metrics,
                                  [raw = far.get()] { return raw->refresher->ReadyItems(); });
    far->source->cache().OnEvicted([raw = far.get()] { raw->gateway->ForgetAnswers(); });
    http::HttpServerOptions server_options;
    server_options.listen = "127.0.0.1:0";
    server_options.drain_timeout = std::chrono::milliseconds(500);
    far->server = MustHave(http::HttpServer::Start(
        server_options, [raw = far.get()](const http::ServerRequest& request) {
          return raw->gateway->Answer(request);
        }));
    far->refresher->Start();
    return far;
  }
  static std::uint64_t BytesSent(hyper::PeerNode& node) {
    return MustHave(node.Statistics()).traffic.bytes_up;
  }
  // Until every lookup knows that nobody is there.
  static void WaitUntilAlone(FarSide& far) {
    while (far.mirror->connections() > 0) {
      std::this_thread::yield();
    }
    ASSERT_TRUE(far.source->Refresh());
  }
};

}  // namespace hnx::gateway
