// A mirror of two drives in a temporary folder, written by the real drive writer, and a gateway
// that serves it over a real socket.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "gateway/source_refresher.h"
#include "gateway/substituter/drive_mirror_source.h"
#include "gateway/substituter/gateway.h"
#include "http/http_server.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "raw_client.h"

namespace hnx::gateway {

// 32 and 52 characters of nix32 that depend on `number`.
std::string StoreHash(int number);
std::string NarFileName(int number);
std::string NarInfoText(int number, const std::string& nar_file);

class MirrorTest : public ::testing::Test {
 protected:
  // `checked`: every block before it is sent.
  explicit MirrorTest(bool checked = false);
  ~MirrorTest() override;

  // Puts a NAR into the shard, and narinfo and link into the index; the gateway sees it.
  void Publish(int number, const std::string& nar);
  void PutInIndex(const std::string& path, const std::string& content);
  void LinkInIndex(const std::string& path, const std::string& linkname);
  void Unpublish(int number);
  void Refresh() { refresher_->RunOnce(); }

  RawAnswer Ask(const std::string& request, bool has_body = true);
  RawAnswer Get(const std::string& path, const std::string& headers = {}) {
    return Ask(Request(path, headers));
  }
  RawAnswer GetNarInfo(int number) { return Get("/" + StoreHash(number) + ".narinfo"); }
  RawAnswer GetNar(int number, const std::string& headers = {}) {
    return Get("/nar/" + NarFileName(number), headers);
  }

  std::filesystem::path folder_;
  std::unique_ptr<hyper::Corestore> index_store_;
  std::unique_ptr<hyper::Corestore> shard_store_;
  std::unique_ptr<hyper::Hyperdrive> index_;
  std::unique_ptr<hyper::Hyperdrive> shard_;
  http::MetricsRegistry metrics_;
  std::unique_ptr<DriveMirrorSource> source_;
  std::unique_ptr<SourceRefresher> refresher_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::HttpServer> server_;
};

}  // namespace hnx::gateway
