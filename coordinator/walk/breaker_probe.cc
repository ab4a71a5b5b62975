#include "coordinator/walk/breaker_probe.h"

#include "base/log.h"
#include "coordinator/walk/narinfo_source.h"
#include "nix/cache_info.h"

namespace hnx::coordinator {

std::chrono::milliseconds BreakerProbe::RunOnce() {
  if (!leader_.leads()) {
    return kInterval;
  }
  const auto host = store_.NextToProbe();
  if (!host || !*host) {
    return kInterval;
  }
  const auto source = MakeNarInfoSource(client_, (*host)->upstream_url);
  const auto text = source->ReadCacheInfo();
  const bool well = text.has_value() && nix::CacheInfo::Parse(*text).has_value();
  const std::chrono::milliseconds asked_for =
      text ? std::chrono::milliseconds(0)
           : text.error().retry_after.value_or(std::chrono::milliseconds(0));
  const auto ended = store_.EndProbe(**host, well, asked_for);
  if (!ended) {
    Log("breaker")->warn("{}", ended.error().message);
    return kInterval;
  }
  if (well) {
    Log("breaker")->info("{} answers again: work goes on", (*host)->host);
  } else {
    Log("breaker")->warn("{} does not answer well yet{}", (*host)->host,
                         text ? std::string() : ": " + text.error().message);
  }
  return kInterval;
}

}  // namespace hnx::coordinator
