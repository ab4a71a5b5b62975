// PublishedIndex: what the newest version of an index drive says of its mirror as a whole: the
// shards of /mirror.json, and the release that each channel's `latest` names. For whoever has to
// learn from the index what a database does not know of it any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyper/drive/drive_view.h"
#include "mirror/mirror_json.h"

namespace hnx::mirror {

inline constexpr std::size_t kPublishedChannelsMax = 1024;

struct PublishedChannel {
  std::string channel;
  std::string latest;
  // When that release was submitted, as its manifest says (Unix milliseconds); 0: unknown.
  std::int64_t submitted_at_ms = 0;
};

struct PublishedIndex {
  std::vector<MirrorShard> shards;
  std::vector<PublishedChannel> channels;
};

// A mirror that has published neither yet gives empty lists. Errors of the drive are returned; a
// `latest` with an impossible name is left out.
Result<PublishedIndex> ReadPublishedIndex(const hyper::DriveView& index);

}  // namespace hnx::mirror
