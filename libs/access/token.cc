#include "access/token.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include "access/secret_file.h"
#include "base/check.h"
#include "base/hex.h"
#include "base/log.h"

namespace hnx::access {
namespace {

Bytes Sha256(std::string_view text) {
  Bytes hash(SHA256_DIGEST_LENGTH);
  SHA256(UChars(AsBytes(text)), text.size(), UChars(std::span(hash)));
  return hash;
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

std::string MakeToken() {
  Bytes random(kTokenChars / 2);
  HNX_CHECK(RAND_bytes(UChars(std::span(random)), static_cast<int>(random.size())) == 1);
  return EncodeHex(random);
}

std::string TokenLine(Role role, std::string_view name, std::string_view token) {
  return fmt::format("{} {} {}", RoleName(role), name, EncodeHex(Sha256(token)));
}

Result<std::string> ReadTokenFile(const std::filesystem::path& path) {
  HNX_ASSIGN_OR_RETURN(std::string text, ReadSecretFile(path, "--token-file"));
  while (!text.empty() && IsBlank(text.back())) {
    text.pop_back();
  }
  const bool printable =
      std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c <= '~'; });
  if (!printable || text.size() < kTokenCharsMin || text.size() > kTokenCharsMax) {
    return InvalidArgument(fmt::format(
        "--token-file {}: want one token of {} to {} characters (coordinator make-token "
        "makes one)",
        path.string(), kTokenCharsMin, kTokenCharsMax));
  }
  return text;
}

Result<std::unique_ptr<TokenTable>> TokenTable::Open(std::filesystem::path path,
                                                     const Clock& clock) {
  std::unique_ptr<TokenTable> table(new TokenTable(std::move(path), clock));
  MutexLock lock(table->mutex_);
  HNX_ASSIGN_OR_RETURN(table->stamp_, table->Look());
  table->looked_ = clock.Steady();
  HNX_TRY(table->Read());
  return table;
}

Result<TokenTable::Stamp> TokenTable::Look() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) {
    return Errno("--tokens-file: look at", path_.string());
  }
  return Stamp{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size,
               static_cast<std::int64_t>(status.st_ino)};
}

Result<std::vector<TokenTable::Entry>> TokenTable::Parse(std::string_view text) {
  std::vector<Entry> entries;
  std::istringstream input{std::string(text)};
  std::string line;
  for (std::size_t number = 1; std::getline(input, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string role_word;
    std::string name;
    std::string hash_word;
    std::string more;
    if (!(words >> role_word)) {
      continue;
    }
    words >> name >> hash_word >> more;
    const auto role = ParseRole(role_word);
    const auto hash = DecodeHex(hash_word);
    if (!role || !IsName(name) || !hash.has_value() || hash->size() != SHA256_DIGEST_LENGTH ||
        !more.empty()) {
      // What stands there may be a token by mistake: it is not repeated.
      return InvalidArgument(
          fmt::format("line {}: want ROLE NAME SHA256, with the role worker, index, gateway, "
                      "operator or viewer "
                      "and the hash as 64 hexadecimal digits",
                      number));
    }
    const auto same = std::ranges::find(entries, *hash, &Entry::sha256);
    if (same != entries.end()) {
      same->identity.roles.Add(*role);
      continue;
    }
    if (entries.size() == kTokensMax) {
      return ResourceExhausted(fmt::format("more than {} tokens", kTokensMax));
    }
    entries.push_back({.sha256 = *hash, .identity = {.name = name, .roles = {*role}}});
  }
  return entries;
}

Result<void> TokenTable::Read() {
  HNX_ASSIGN_OR_RETURN(const std::string text, ReadSecretFile(path_, "--tokens-file"));
  auto entries = Parse(text);
  if (!entries.has_value()) {
    return entries.error().Annotate("--tokens-file " + path_.string());
  }
  entries_ = *std::move(entries);
  return {};
}

std::optional<Identity> TokenTable::Find(std::string_view token) {
  if (token.size() > kTokenCharsMax) {
    return std::nullopt;
  }
  const Bytes hash = Sha256(token);
  MutexLock lock(mutex_);
  if (clock_.Steady() - looked_ >= kLookInterval) {
    looked_ = clock_.Steady();
    const auto looked = Look();
    const Stamp stamp = looked.value_or(Stamp{});
    if (stamp != stamp_) {
      stamp_ = stamp;
      const Result<void> read = looked.has_value() ? Read() : Result<void>(looked.error());
      if (read.has_value()) {
        Log("access")->info("read {} again: {} tokens", path_.string(), entries_.size());
      } else {
        Log("access")->error("{}; the tokens from before hold on", read.error().message);
      }
    }
  }
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.sha256.data(), hash.data(), hash.size()) == 0) {
      found = &entry;
    }
  }
  return found == nullptr ? std::nullopt : std::optional(found->identity);
}

}  // namespace hnx::access
