#include "gateway/substituter/narinfo_handler.h"

#include <string>
#include <utility>

#include "base/log.h"
#include "gateway/substituter/file_answer.h"
#include "mirror/index_layout.h"
#include "nix/nar_info.h"
#include "nix/store_path.h"

namespace hnx::gateway {
namespace {

constexpr std::uint64_t kNarInfoSizeMax = std::uint64_t{1} << 20;

http::MetricCounter Lookups(http::MetricsRegistry& metrics, const char* result) {
  return metrics.Counter("hnx_gateway_narinfo_lookups_total",
                         "Requests for narinfos, by whether the mirror has them",
                         {{"result", result}});
}

// The name of the NAR's file; an error when the bytes are no narinfo of that path.
Result<std::string> NarFileOf(std::string_view text, std::string_view hash) {
  HNX_ASSIGN_OR_RETURN(const auto requested, nix::StorePathHash::Parse(hash));
  nix::NarInfoPolicy policy;
  policy.allow_url_hash_query = true;
  policy.allow_suffix_mismatch = true;
  policy.allow_malformed_signatures = true;
  HNX_ASSIGN_OR_RETURN(const auto nar_info, nix::NarInfo::Parse(text, requested, policy));
  return std::string(nar_info.nar_file_name());
}

}  // namespace

NarInfoHandler::NarInfoHandler(const MirrorSource& source, std::uint64_t cache_bytes_max,
                               const Clock& clock, http::MetricsRegistry& metrics)
    : source_(source),
      cache_(cache_bytes_max, clock),
      hits_(Lookups(metrics, "hit")),
      misses_(Lookups(metrics, "miss")),
      from_cache_(metrics.Counter("hnx_gateway_narinfo_cached_total",
                                  "Narinfos answered without asking the drives")) {}

http::ServerResponse NarInfoHandler::Answer(std::string_view hash) {
  const std::uint64_t version = source_.version();
  if (auto prepared = FromCache(hash, version)) {
    hits_.Add();
    from_cache_.Add();
    http::ServerResponse response;
    response.prepared = std::move(prepared);
    return response;
  }
  auto response = Resolve(hash, version);
  (response.effective_status() == 200 ? hits_ : misses_).Add();
  return response;
}

std::optional<http::ServerResponse> NarInfoHandler::AnswerFromMemory(std::string_view hash) {
  auto found = cache_.Find(hash, source_.version());
  if (!found.answer || !found.etag.empty()) {
    return std::nullopt;
  }
  hits_.Add();
  from_cache_.Add();
  http::ServerResponse response;
  response.prepared = std::move(found.answer);
  return response;
}

NarInfoCache::Answer NarInfoHandler::FromCache(std::string_view hash, std::uint64_t version) {
  auto found = cache_.Find(hash, version);
  if (!found.answer || found.etag.empty()) {
    return std::move(found.answer);
  }
  // The mirror has moved on. A narinfo that is still the same keeps its NAR (rule of retiring: the
  // NAR outlives it by weeks).
  const auto file = source_.File(mirror::NarInfoPath(hash));
  if (!file || !*file || (*file)->etag != found.etag) {
    return nullptr;
  }
  cache_.Confirm(hash, version);
  return std::move(found.answer);
}

http::ServerResponse NarInfoHandler::Resolve(std::string_view hash, std::uint64_t version) {
  const auto path = mirror::NarInfoPath(hash);
  const auto entry = source_.File(path);
  if (!entry) {
    return AnswerBroken(entry.error());
  }
  if (!*entry) {
    return AnswerAbsent("unknown-narinfo");
  }
  auto text = source_.ReadFile(path, kNarInfoSizeMax);
  if (!text) {
    return AnswerBroken(text.error());
  }
  if (!*text) {
    return AnswerAbsent("unknown-narinfo");
  }
  const auto file = NarFileOf(**text, hash);
  if (!file) {
    Log("gateway")->error("{}.narinfo of the index is not usable: {}", hash,
                          file.error().ToString());
    return AnswerAbsent("bad-narinfo");
  }
  const auto nar = source_.Nar(*file);
  if (!nar) {
    return AnswerBroken(nar.error());
  }
  if (!*nar) {
    return AnswerAbsent("nar-not-here");
  }
  const auto region = (*nar)->open();
  if (!region && region.error().code != ErrorCode::kNotFound) {
    return AnswerBroken(region.error());
  }
  if (!region) {
    if ((*nar)->far == nullptr) {
      return AnswerAbsent("nar-not-here");
    }
    if (const auto available = (*nar)->far->CheckAvailable(); !available) {
      return AnswerBroken(available.error());
    }
  }
  auto prepared = std::make_shared<const http::PreparedResponse>(
      200,
      std::vector<http::HttpHeader>{{"Content-Type", "text/x-nix-narinfo"},
                                    {"Cache-Control", kCacheForAnHour}},
      **std::move(text));
  // Peers may leave: what only they have is looked at again each time.
  if (region) {
    cache_.Put(hash, version, (*entry)->etag, prepared);
  }
  http::ServerResponse response;
  response.prepared = std::move(prepared);
  return response;
}

}  // namespace hnx::gateway
