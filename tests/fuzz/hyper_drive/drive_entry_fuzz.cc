// Drive entries, paths, links and mirror.json from strangers. What is taken comes back the same
// when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_path.h"
#include "mirror/drive_link.h"
#include "mirror/mirror_json.h"

namespace {

void Require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hnx::ByteView input = std::as_bytes(std::span(data, size));
  const std::string text = hnx::ToString(input);
  if (const auto entry = hnx::hyper::DecodeDriveEntryJson("/a", input)) {
    const auto json = hnx::hyper::EncodeDriveEntryJson(*entry);
    Require(json.has_value());
    const auto again = hnx::hyper::DecodeDriveEntryJson("/a", hnx::AsBytes(*json));
    Require(again.has_value() && *again == *entry);
  }
  if (const auto path = hnx::hyper::NormalizeDrivePath(text)) {
    Require(hnx::hyper::NormalizeDrivePath(*path) == *path);
    const auto key = hnx::hyper::EncodeDriveBeeKey(*path);
    Require(hnx::hyper::DecodeDriveBeeKey(key) == *path);
  }
  if (const auto key = hnx::hyper::DriveKey::Parse(text)) {
    Require(*hnx::hyper::DriveKey::Parse(key->id()) == *key);
    Require(*hnx::hyper::DriveKey::Parse(key->hex()) == *key);
  }
  constexpr const char* kLinkPath = "/nar/a.nar";
  if (const auto link = hnx::mirror::DriveLink::Parse(kLinkPath, text)) {
    Require(hnx::mirror::DriveLink::Make(link->shard, link->file) == text);
  }
  if (const auto mirror = hnx::mirror::MirrorJson::Parse(text)) {
    const auto again = hnx::mirror::MirrorJson::Parse(mirror->Serialize());
    Require(again.has_value() && *again == *mirror);
  }
  return 0;
}
