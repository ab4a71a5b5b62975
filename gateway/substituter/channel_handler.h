// ChannelHandler: the mirror as a channel host. A channel's address leads to the folder of its
// newest settled release, as the upstream channel host does; below it lie the release's own files.
//
//   /channels/<channel>, /<channel>                 302 to /channels/<channel>/<release>
//   /channels/<channel>/latest                      the release's name
//   /channels/<channel>/<release>                   a page that lists its files
//   /channels/<channel>/<release>/<file>            its bytes
//   /channels/<channel>/<file>, /<channel>/<file>   302 to the file of the newest release
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/substituter/mirror_source.h"

namespace hnx::gateway {

class ChannelHandler {
 public:
  // `source` must outlive the handler.
  explicit ChannelHandler(const MirrorSource& source) : source_(source) {}

  http::ServerResponse AnswerChannel(std::string_view channel) const;
  http::ServerResponse AnswerEntry(const http::ServerRequest& request, std::string_view channel,
                                   std::string_view entry) const;
  http::ServerResponse AnswerFileOf(const http::ServerRequest& request, std::string_view channel,
                                    std::string_view release, std::string_view file) const;

 private:
  // nullopt: no such channel.
  Result<std::optional<std::string>> Latest(std::string_view channel) const;
  http::ServerResponse ReleasePage(std::string_view release,
                                   const std::vector<SourceListing>& files) const;

  const MirrorSource& source_;
};

}  // namespace hnx::gateway
