// Certificates and keys as PEM says them, by OpenSSL. Values; thread-safe.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hnx::access {

// The first certificate of a PEM file: the one that speaks for its owner.
struct Certificate {
  std::string subject;  // "CN = coordinator"
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;  // "127.0.0.1", "::1"
  std::vector<std::string> uris;
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
};

// kInvalidArgument: there is none in it.
Result<Certificate> ReadCertificate(std::string_view pem);
// How many certificates there are. kInvalidArgument: none, or one that is broken.
Result<std::size_t> CountCertificates(std::string_view pem);
// Whether `host`, a DNS name or an address, is among its subject alternative names. False: no
// certificate.
bool CertificateIsFor(std::string_view pem, const std::string& host);
// Whether the private key belongs to the first certificate. kInvalidArgument: it does not, or there
// is no key that can be read without a password.
Result<void> CheckKeyBelongs(std::string_view key_pem, std::string_view certificate_pem);

}  // namespace hnx::access
