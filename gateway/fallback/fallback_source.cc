#include "gateway/fallback/fallback_source.h"

#include <utility>

#include <sys/mman.h>

#include "base/log.h"
#include "gateway/fallback/fallback_file.h"
#include "mirror/index_layout.h"
#include "nix/hash.h"

namespace hnx::gateway {
namespace {

// The hash of "/<hash>.narinfo".
std::optional<std::string_view> HashIn(std::string_view path) {
  if (!path.ends_with(mirror::kNarInfoSuffix) || path.rfind('/') != 0) {
    return std::nullopt;
  }
  return path.substr(1, path.size() - 1 - mirror::kNarInfoSuffix.size());
}

Result<http::FileRegion> InMemory(const std::string& text) {
  UniqueFd fd(::memfd_create("narinfo", MFD_CLOEXEC));
  if (!fd.valid()) {
    return Errno("make", "a file in memory");
  }
  HNX_TRY(WriteAt(fd.get(), 0, AsBytes(text)));
  return http::FileRegion{std::move(fd), 0, text.size()};
}

std::string ETagOf(const nix::NarInfo& info) {
  nix::Sha256 hasher;
  hasher.Update(AsBytes(info.text()));
  return "\"f-" + nix::Hash::FromSha256(hasher.Finish()).ToNix32() + "\"";
}

// A NAR's file is named by what its narinfo says of it.
std::string NarETag(std::string_view file, std::uint64_t size_bytes) {
  return "\"f-" + std::string(file) + "-" + std::to_string(size_bytes) + "\"";
}

}  // namespace

FallbackSource::FallbackSource(MirrorSource& mirror, FallbackNars& nars,
                               http::MetricsRegistry& metrics)
    : mirror_(mirror),
      nars_(nars),
      counted_(metrics, "fallback"),
      narinfos_(metrics.Counter("hnx_gateway_fallback_narinfos_total",
                                "Narinfos that came from fallbacks")) {}

// -- Narinfos

void FallbackSource::Note(std::string_view hash, std::string_view text) const {
  auto checked = nars_.upstreams().Check(text, hash);
  if (!checked) {
    Log("gateway")->debug("no fallback for {}: {}", hash, checked.error().ToString());
    return;
  }
  nars_.known().Note(hash, std::make_shared<const SignedNarInfo>(*std::move(checked)), false);
}

Result<KnownNars::Known> FallbackSource::NarInfo(std::string_view hash) const {
  if (auto known = nars_.known().FreshByHash(hash)) {
    return known;
  }
  auto found = nars_.upstreams().FindNarInfo(hash);
  if (!found) {
    // What is held needs nobody.
    const auto text = nars_.store().NarInfo(hash);
    auto held = text ? nars_.upstreams().Check(*text, hash) : Result<SignedNarInfo>(found.error());
    if (!held) {
      return found.error();
    }
    found = *std::move(held);
  }
  if (!*found) {
    return KnownNars::Known();
  }
  narinfos_.Add();
  auto known = std::make_shared<const SignedNarInfo>(**std::move(found));
  nars_.known().Note(hash, known, true);
  return KnownNars::Known(std::move(known));
}

Result<std::optional<std::string>> FallbackSource::ReadFile(std::string_view path,
                                                            std::uint64_t size_max) const {
  auto text = mirror_.ReadFile(path, size_max);
  const auto hash = HashIn(path);
  if (!hash) {
    return text;
  }
  if (text && *text) {
    Note(*hash, **text);
    return text;
  }
  if (!text && !FallbackMayHelp(text.error())) {
    return text;
  }
  const auto known = NarInfo(*hash);
  if (known && *known) {
    return std::optional<std::string>((*known)->info.text());
  }
  return text && !known ? Result<std::optional<std::string>>(known.error()) : std::move(text);
}

Result<std::optional<SourceFile>> FallbackSource::File(std::string_view path) const {
  auto file = mirror_.File(path);
  const auto hash = HashIn(path);
  if (!hash || (file && *file) || (!file && !FallbackMayHelp(file.error()))) {
    return file;
  }
  const auto known = NarInfo(*hash);
  if (known && *known) {
    const nix::NarInfo& info = (*known)->info;
    SourceFile source;
    source.size_bytes = info.text().size();
    source.etag = ETagOf(info);
    source.open = [known = *known] { return InMemory(known->info.text()); };
    return std::optional<SourceFile>(std::move(source));
  }
  return file && !known ? Result<std::optional<SourceFile>>(known.error()) : std::move(file);
}

// -- NARs

std::optional<SourceFile> FallbackSource::HeldNar(std::string_view file) const {
  auto held = nars_.store().OpenNar(file);
  if (!held) {
    return std::nullopt;
  }
  SourceFile source;
  source.size_bytes = held->size_bytes;
  source.etag = NarETag(file, held->size_bytes);
  source.open = [this, name = std::string(file)]() -> Result<http::FileRegion> {
    auto opened = nars_.store().OpenNar(name);
    if (!opened) {
      return NotFound("the NAR file " + name + " went from the cache");
    }
    return http::FileRegion{std::move(opened->fd), 0, opened->size_bytes};
  };
  return source;
}

Result<std::optional<SourceFile>> FallbackSource::Nar(std::string_view file) const {
  auto found = mirror_.Nar(file);
  if (!found && !FallbackMayHelp(found.error())) {
    return found;
  }
  const auto known = nars_.known().ByFile(file);
  if (found && *found) {
    SourceFile& source = **found;
    if (const auto region = source.open(); region || region.error().code != ErrorCode::kNotFound) {
      return found;
    }
    if (auto held = HeldNar(file); held && held->size_bytes == source.size_bytes) {
      held->far = std::move(source.far);
      return std::optional<SourceFile>(*std::move(held));
    }
    if (known) {
      source.far = std::make_shared<FallbackFile>(std::move(source.far), known, source.size_bytes,
                                                  nars_, counted_);
    }
    return found;
  }
  if (auto held = HeldNar(file)) {
    return std::optional<SourceFile>(*std::move(held));
  }
  if (!known) {
    return found;
  }
  const auto place = nars_.Find(*known);
  if (!place) {
    return found ? Result<std::optional<SourceFile>>(place.error()) : std::move(found);
  }
  SourceFile source;
  source.size_bytes = place->size_bytes;
  source.etag = NarETag(file, place->size_bytes);
  source.open = []() -> Result<http::FileRegion> { return NotFound("it has to be fetched"); };
  source.far = std::make_shared<FallbackFile>(nullptr, known, place->size_bytes, nars_, counted_);
  return std::optional<SourceFile>(std::move(source));
}

}  // namespace hnx::gateway
