#include "gateway/substituter/channel_handler.h"

#include <utility>

#include "gateway/substituter/file_answer.h"
#include "http/http_message.h"
#include "mirror/index_layout.h"

namespace hnx::gateway {
namespace {

using http::ServerRequest;
using http::ServerResponse;

constexpr std::uint64_t kLatestSizeMax = 1024;
constexpr std::size_t kReleaseFilesMax = 1000;

ServerResponse Redirect(std::string location) {
  auto response = http::TextResponse(302, location + "\n");
  response.headers.push_back({"Location", std::move(location)});
  response.headers.push_back({"Cache-Control", "no-cache"});
  return response;
}

std::string ReleaseFolder(std::string_view channel, std::string_view release) {
  return std::string(mirror::kChannelsFolder) + "/" + std::string(channel) + "/" +
         std::string(release);
}

}  // namespace

Result<std::optional<std::string>> ChannelHandler::Latest(std::string_view channel) const {
  HNX_ASSIGN_OR_RETURN(const auto text,
                       source_.ReadFile(mirror::LatestPath(channel), kLatestSizeMax));
  if (!text) {
    return std::optional<std::string>();
  }
  const auto name = http::TrimBlanks(*text);
  if (!mirror::IsSafeName(name)) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(name);
}

ServerResponse ChannelHandler::AnswerChannel(std::string_view channel) const {
  const auto latest = Latest(channel);
  if (!latest) {
    return AnswerBroken(latest.error());
  }
  return *latest ? Redirect(ReleaseFolder(channel, **latest)) : AnswerAbsent("unknown-channel");
}

ServerResponse ChannelHandler::AnswerEntry(const ServerRequest& request, std::string_view channel,
                                           std::string_view entry) const {
  if (entry == mirror::kLatestFile) {
    const auto file = source_.File(mirror::LatestPath(channel));
    if (!file) {
      return AnswerBroken(file.error());
    }
    return *file ? AnswerFile(request, **file, "text/plain; charset=utf-8", kCacheForAMinute)
                 : AnswerAbsent("unknown-channel");
  }
  const auto latest = Latest(channel);
  if (!latest) {
    return AnswerBroken(latest.error());
  }
  if (*latest && entry != **latest) {
    const auto file = source_.File(mirror::ReleaseFilePath(channel, **latest, entry));
    if (!file) {
      return AnswerBroken(file.error());
    }
    if (*file) {
      return Redirect(mirror::ReleaseFilePath(channel, **latest, entry));
    }
  }
  const auto files = source_.List(ReleaseFolder(channel, entry), kReleaseFilesMax);
  if (!files) {
    return AnswerBroken(files.error());
  }
  return files->empty() ? AnswerAbsent("unknown-release") : ReleasePage(entry, *files);
}

ServerResponse ChannelHandler::AnswerFileOf(const ServerRequest& request, std::string_view channel,
                                            std::string_view release,
                                            std::string_view file_name) const {
  const auto file = source_.File(mirror::ReleaseFilePath(channel, release, file_name));
  if (!file) {
    return AnswerBroken(file.error());
  }
  if (!*file) {
    return AnswerAbsent("unknown-file");
  }
  // Ours may get a new revision; upstream's never change.
  const bool ours = file_name == mirror::kManifestFile || file_name == mirror::kListingFile;
  return AnswerFile(request, **file, ContentTypeOf(file_name),
                    ours ? kCacheForAMinute : kCacheForEver);
}

// Names are safe names and need no escapes.
ServerResponse ChannelHandler::ReleasePage(std::string_view release,
                                           const std::vector<SourceListing>& files) const {
  std::string page = "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>" +
                     std::string(release) + "</title></head>\n<body><h1>" + std::string(release) +
                     "</h1>\n<table>\n<tr><th>File name</th><th>Size</th></tr>\n";
  for (const auto& file : files) {
    const auto name = file.path.substr(file.path.rfind('/') + 1);
    if (!mirror::IsSafeName(name)) {
      continue;
    }
    page += "<tr><td><a href=\"" + file.path + "\">" + name + "</a></td><td>" +
            std::to_string(file.size_bytes) + "</td></tr>\n";
  }
  page += "</table></body></html>\n";
  ServerResponse response;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Cache-Control", kCacheForAMinute}};
  response.body = std::move(page);
  return response;
}

}  // namespace hnx::gateway
