#include "cli/user_identity.h"

#include <algorithm>
#include <array>

#include <pwd.h>
#include <unistd.h>

namespace hnx::cli {

std::string UserAtHost() {
  constexpr std::size_t kEntryBytes = 16'384;
  constexpr std::size_t kHostBytes = 256;
  std::array<char, kEntryBytes> buffer{};
  struct passwd entry {};
  struct passwd* found = nullptr;
  const uid_t user = ::getuid();
  std::string text = std::to_string(user);
  if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    text = found->pw_name;
  }
  std::array<char, kHostBytes> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) {
    text += std::string("@") + host.data();
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace hnx::cli
