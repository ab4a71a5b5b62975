#include "coordinator/database/server_user.h"

#include <array>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/log.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPasswdBufferBytes = 16 * 1024;

std::optional<UserIds> LookUpName(const char* name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kPasswdBufferBytes> buffer{};
  if (::getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return UserIds{entry.pw_uid, entry.pw_gid};
}

bool HasName(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, kPasswdBufferBytes> buffer{};
  return ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
}

std::optional<UserIds> AnyUnprivilegedUser() {
  for (const char* name : {"postgres", "nobody", "daemon"}) {
    const auto ids = LookUpName(name);
    if (ids && ids->uid != 0) {
      return ids;
    }
  }
  return std::nullopt;
}

fs::path FindNssWrapper() {
  std::error_code error;
  for (const char* root : {"/usr/lib", "/usr/lib64", "/lib"}) {
    for (const auto& entry : fs::directory_iterator(root, error)) {
      const fs::path inside = entry.path() / "libnss_wrapper.so";
      if (entry.path().filename() == "libnss_wrapper.so") {
        return entry.path();
      }
      if (fs::exists(inside, error)) {
        return inside;
      }
    }
  }
  return {};
}

Result<void> WritePublicFile(const fs::path& path, const std::string& text) {
  constexpr unsigned kReadable = 0644;
  return WriteFileDurably(path, AsBytes(text), kReadable);
}

}  // namespace

Result<ServerUser> ChooseServerUser(const std::optional<UserIds>& owner) {
  ServerUser user;
  user.ids = {::geteuid(), ::getegid()};
  if (user.ids.uid == 0) {
    user.change_user = true;
    if (owner && owner->uid != 0) {
      user.ids = *owner;
    } else if (const auto other = AnyUnprivilegedUser()) {
      user.ids = *other;
    } else {
      return FailedPrecondition(
          "choose a user for the private PostgreSQL: it refuses to run as root, and there is no "
          "user postgres, nobody or daemon; make one (adduser --system postgres) or give "
          "--database");
    }
  } else if (owner && owner->uid != user.ids.uid) {
    return FailedPrecondition(
        fmt::format("use the private PostgreSQL: its files belong to uid {}, but this is uid {}; "
                    "run as that user or as root",
                    owner->uid, user.ids.uid));
  }
  user.has_name = HasName(user.ids.uid);
  return user;
}

Result<ChildResult> RunForNamelessUser(const ChildSpec& spec, const UserIds& ids,
                                       const std::string& scratch_directory) {
  ChildSpec mapped = spec;
  mapped.appear_as = AnyUnprivilegedUser();
  std::string first_failure = "no named user to appear as";
  if (mapped.appear_as) {
    HNX_ASSIGN_OR_RETURN(ChildResult result, RunChild(mapped));
    if (result.status == 0) {
      return result;
    }
    first_failure = result.output;
  }
  const fs::path wrapper = FindNssWrapper();
  if (wrapper.empty()) {
    return FailedPrecondition(fmt::format(
        "run {} as uid {}, which has no entry in the user database: user namespaces do not work "
        "here ({}); install libnss-wrapper, add a user for this uid, or give --database",
        spec.arguments.front(), ids.uid, first_failure));
  }
  const fs::path scratch = scratch_directory;
  HNX_TRY(WritePublicFile(scratch / "passwd",
                          fmt::format("hnx:x:{}:{}::/:/bin/sh\n", ids.uid, ids.gid)));
  HNX_TRY(WritePublicFile(scratch / "group", fmt::format("hnx:x:{}:\n", ids.gid)));
  ChildSpec wrapped = spec;
  wrapped.environment.push_back("LD_PRELOAD=" + wrapper.string());
  wrapped.environment.push_back("NSS_WRAPPER_PASSWD=" + (scratch / "passwd").string());
  wrapped.environment.push_back("NSS_WRAPPER_GROUP=" + (scratch / "group").string());
  return RunChild(wrapped);
}

}  // namespace hnx::coordinator
