// How the content core of a drive follows from its db core.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/keys.h"
#include "hyper/core/manifest.h"

namespace hnx::hyper {

// The name, in the store, of the core with the entries.
inline constexpr const char* kDriveDbName = "db";

// The db core's manifest, each signer in the namespace
// Hash(namespace("hyperdrive", 0) || db key || its namespace there). So the same key signs both.
Manifest ContentManifestOf(const Manifest& db_manifest, const CoreKey& db_key);

// The content core's key: what the Hyperbee header says, else derived from the manifest. `header`
// is block 0 of the db core, nullopt while it is empty. kInvalidArgument: neither tells it.
Result<CoreKey> ContentKeyOf(const std::optional<Bytes>& header,
                             const std::optional<Manifest>& db_manifest, const CoreKey& db_key);

}  // namespace hnx::hyper
