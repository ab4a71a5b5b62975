#include "nix/nar_info_sign.h"

#include <algorithm>

#include <fmt/format.h>

#include "nix/fingerprint.h"

namespace hnx::nix {
namespace {

std::vector<StorePath> Sorted(std::vector<StorePath> references) {
  std::sort(references.begin(), references.end());
  references.erase(std::unique(references.begin(), references.end()), references.end());
  return references;
}

}  // namespace

std::string SignNarInfo(const NarInfoFields& fields, const SecretKey& key) {
  return key
      .Sign(Fingerprint(fields.store_path, fields.nar_hash, fields.nar_size,
                        Sorted(fields.references)))
      .ToString();
}

std::string RenderNarInfo(const NarInfoFields& fields, const SecretKey* key) {
  std::string text =
      fmt::format("StorePath: {}\nURL: {}\nCompression: {}\n", fields.store_path.ToString(),
                  fields.url, CompressionName(fields.compression));
  if (fields.file_hash.has_value()) {
    text.append(fmt::format("FileHash: {}\n", fields.file_hash->ToNix32()));
  }
  if (fields.file_size.has_value()) {
    text.append(fmt::format("FileSize: {}\n", *fields.file_size));
  }
  text.append(fmt::format("NarHash: {}\nNarSize: {}\nReferences: ", fields.nar_hash.ToNix32(),
                          fields.nar_size));
  std::string_view separator;
  for (const StorePath& reference : Sorted(fields.references)) {
    text.append(separator).append(reference.base_name());
    separator = " ";
  }
  text.append("\n");
  if (fields.deriver.has_value()) {
    text.append(fmt::format("Deriver: {}\n", fields.deriver->base_name()));
  }
  if (key != nullptr) {
    text.append(fmt::format("Sig: {}\n", SignNarInfo(fields, *key)));
  }
  if (fields.ca.has_value()) {
    text.append(fmt::format("CA: {}\n", fields.ca->ToString()));
  }
  return text;
}

}  // namespace hnx::nix
