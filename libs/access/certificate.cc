#include "access/certificate.h"

#include <array>
#include <memory>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace hnx::access {
namespace {

// What a file may hold, and be.
constexpr std::size_t kCertificatesMax = 1'000;

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* thing) const {
    Free(thing);
  }
};
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

BioPtr Open(std::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// No terminal is asked for a password.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
  return 0;
}

std::string OpenSslSays() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

Result<std::vector<X509Ptr>> ReadAll(std::string_view pem) {
  const BioPtr bio = Open(pem);
  std::vector<X509Ptr> certificates;
  while (certificates.size() < kCertificatesMax) {
    X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr));
    if (certificate == nullptr) {
      const unsigned long error = ERR_peek_last_error();
      if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
        ERR_clear_error();  // the end
        break;
      }
      return InvalidArgument("a certificate in it is broken: " + OpenSslSays());
    }
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) {
    return InvalidArgument("there is no certificate in it (-----BEGIN CERTIFICATE-----)");
  }
  return certificates;
}

std::string TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string AddressText(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  return ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) != nullptr
             ? text.data()
             : "";
}

void ReadNames(X509* certificate, Certificate& out) {
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      out.dns_names.push_back(TextOf(name->d.dNSName));
    } else if (name->type == GEN_URI) {
      out.uris.push_back(TextOf(name->d.uniformResourceIdentifier));
    } else if (name->type == GEN_IPADD) {
      out.ip_addresses.push_back(AddressText(name->d.iPAddress));
    }
  }
}

std::chrono::system_clock::time_point TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

}  // namespace

Result<Certificate> ReadCertificate(std::string_view pem) {
  HNX_ASSIGN_OR_RETURN(const std::vector<X509Ptr> certificates, ReadAll(pem));
  X509* first = certificates.front().get();
  Certificate out;
  const BioPtr subject(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(subject.get(), X509_get_subject_name(first), 0, XN_FLAG_ONELINE);
  char* text = nullptr;
  const long length = BIO_get_mem_data(subject.get(), &text);
  out.subject.assign(text, static_cast<std::size_t>(length));
  out.not_before = TimeOf(X509_get0_notBefore(first));
  out.not_after = TimeOf(X509_get0_notAfter(first));
  ReadNames(first, out);
  return out;
}

Result<std::size_t> CountCertificates(std::string_view pem) {
  HNX_ASSIGN_OR_RETURN(const std::vector<X509Ptr> certificates, ReadAll(pem));
  return certificates.size();
}

bool CertificateIsFor(std::string_view pem, const std::string& host) {
  const auto certificates = ReadAll(pem);
  if (!certificates.has_value()) {
    return false;
  }
  X509* first = certificates->front().get();
  return X509_check_host(first, host.data(), host.size(), 0, nullptr) == 1 ||
         X509_check_ip_asc(first, host.c_str(), 0) == 1;
}

Result<void> CheckKeyBelongs(std::string_view key_pem, std::string_view certificate_pem) {
  HNX_ASSIGN_OR_RETURN(const std::vector<X509Ptr> certificates, ReadAll(certificate_pem));
  const BioPtr bio = Open(key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return InvalidArgument("there is no private key in it that can be read without a password: " +
                           OpenSslSays());
  }
  if (X509_check_private_key(certificates.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return InvalidArgument("the private key is not the certificate's");
  }
  return {};
}

}  // namespace hnx::access
