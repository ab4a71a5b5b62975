#include "gateway/substituter/pages.h"

#include <set>

#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"
#include "nix/cache_info.h"

namespace hnx::gateway {
namespace {

constexpr std::size_t kEntriesLookedAtMax = 5000;

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped.push_back(c);
    }
  }
  return escaped;
}

// Host names, addresses and ports only: the header is anybody's text.
bool IsPlausibleHost(std::string_view host) {
  constexpr std::size_t kHostSizeMax = 255;
  return !host.empty() && host.size() <= kHostSizeMax &&
         host.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") ==
             std::string_view::npos;
}

std::string TrustedKeys(const MirrorSource& source) {
  const auto text = source.ReadFile(mirror::kMirrorJsonPath, mirror::kMirrorJsonBytesMax);
  if (!text || !*text) {
    return {};
  }
  const auto description = mirror::MirrorJson::Parse(**text);
  std::string keys;
  if (description) {
    for (const auto& key : description->public_keys) {
      keys += (keys.empty() ? "" : " ") + key;
    }
  }
  return keys;
}

std::set<std::string> Channels(const MirrorSource& source) {
  std::set<std::string> channels;
  const auto files = source.List(mirror::kChannelsFolder, kEntriesLookedAtMax);
  if (!files) {
    return channels;
  }
  for (const auto& file : *files) {
    const auto begin = mirror::kChannelsFolder.size() + 1;
    if (file.path.size() > begin) {
      channels.insert(file.path.substr(begin, file.path.find('/', begin) - begin));
    }
  }
  return channels;
}

}  // namespace

std::string CacheInfoText(int priority) {
  nix::CacheInfo info;
  info.want_mass_query = true;
  info.priority = priority;
  return info.Render();
}

std::string HomePage(const MirrorSource& source, std::string_view host, std::string_view index_id) {
  const std::string address =
      "http://" + (IsPlausibleHost(host) ? std::string(host) : std::string("HOST:PORT"));
  std::string page =
      "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>Nix binary "
      "cache</title></head>\n"
      "<body>\n<h1>Nix binary cache</h1>\n<p>A verified mirror, read from Hyperdrives. Its key, "
      "after <code>hyper://</code>:</p>\n<pre>" +
      Escape(index_id) + "</pre>\n<p>To use it, add to <code>nix.conf</code>:</p>\n<pre>" +
      "extra-substituters = " + Escape(address) + "\n";
  const auto keys = TrustedKeys(source);
  if (!keys.empty()) {
    page +=
        "# only if you trust these already:\nextra-trusted-public-keys = " + Escape(keys) + "\n";
  }
  page += "</pre>\n";
  for (const auto& channel : Channels(source)) {
    const auto name = Escape(channel);
    page += "<p>Channel <a href=\"/channels/" + name + "\">" + name + "</a></p>\n";
  }
  page +=
      "<p><a href=\"/mirror.json\">mirror.json</a>, <a href=\"/README.txt\">README.txt</a></p>\n"
      "</body></html>\n";
  return page;
}

}  // namespace hnx::gateway
