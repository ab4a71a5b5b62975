// The PEM files of one side of TLS: a certificate (with those between it and the authority, if
// any), its key, and the authorities that are believed of the other side.
#pragma once

#include <string>

#include "base/result.h"

namespace hnx::access {

struct TlsFiles {
  std::string cert{};
  std::string key{};
  std::string ca{};

  bool any() const { return !cert.empty() || !key.empty() || !ca.empty(); }
  bool has_identity() const { return !cert.empty(); }
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

// What they hold, checked: the key belongs to the certificate, and nothing is broken. Times are not
// looked at: the other side does that.
struct TlsContents {
  std::string cert;
  std::string key;
  std::string ca;

  friend bool operator==(const TlsContents&, const TlsContents&) = default;
};

// Errors name the file and what to do.
Result<TlsContents> ReadTlsFiles(const TlsFiles& files);

}  // namespace hnx::access
