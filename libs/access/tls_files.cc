#include "access/tls_files.h"

#include <fmt/format.h>

#include "access/certificate.h"
#include "access/secret_file.h"
#include "base/file.h"

namespace hnx::access {
namespace {

Result<std::string> ReadPublic(const std::string& flag, const std::string& path) {
  auto content = ReadWholeFile(path, kSecretFileBytesMax);
  if (!content.has_value()) {
    return content.error().Annotate(flag);
  }
  if (const auto count = CountCertificates(*content); !count.has_value()) {
    return count.error().Annotate(fmt::format("{} {}", flag, path));
  }
  return content;
}

}  // namespace

Result<TlsContents> ReadTlsFiles(const TlsFiles& files) {
  TlsContents contents;
  if (files.has_identity()) {
    HNX_ASSIGN_OR_RETURN(contents.cert, ReadPublic("--tls-cert", files.cert));
    HNX_ASSIGN_OR_RETURN(contents.key, ReadSecretFile(files.key, "--tls-key"));
    if (const auto pair = CheckKeyBelongs(contents.key, contents.cert); !pair.has_value()) {
      return pair.error().Annotate(
          fmt::format("--tls-key {} for --tls-cert {}", files.key, files.cert));
    }
  }
  if (!files.ca.empty()) {
    HNX_ASSIGN_OR_RETURN(contents.ca, ReadPublic("--tls-ca", files.ca));
  }
  return contents;
}

}  // namespace hnx::access
