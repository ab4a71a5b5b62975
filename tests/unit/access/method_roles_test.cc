#include "coordinator/rpc/method_roles.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {
namespace {

TEST(MethodRolesTest, NameEachMethodOfEachServiceAndNoOther) {
  std::set<std::string> there;
  const auto* file = hypercore_nixos::v1::Status::descriptor()->file();
  ASSERT_EQ(file->service_count(), 2);
  for (int s = 0; s < file->service_count(); ++s) {
    const auto* service = file->service(s);
    for (int m = 0; m < service->method_count(); ++m) {
      there.insert("/" + service->full_name() + "/" + service->method(m)->name());
    }
  }
  std::set<std::string> here;
  for (const auto& [method, roles] : AllMethodRoles()) {
    here.insert(method);
    EXPECT_FALSE(roles.empty()) << method;
  }
  EXPECT_EQ(here, there);
}

TEST(MethodRolesTest, AreNoneForWhatIsNoMethod) {
  for (const char* method :
       {"", "/", "Submit", "/hypercore_nixos.v1.Coordinator/",
        "/hypercore_nixos.v1.Coordinator/submit", "/hypercore_nixos.v1.Coordinator/Submit/"}) {
    EXPECT_EQ(RolesOfMethod(method), nullptr) << method;
  }
}

// | `Submit` | operator |
TEST(MethodRolesTest, AreWhatTheManualSays) {
  const char* source = std::getenv("HNX_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run by ctest";
  std::ifstream manual(std::string(source) + "/docs/TLS.md");
  std::map<std::string, std::string> told;
  for (std::string line; std::getline(manual, line);) {
    constexpr std::string_view kBegin = "| `";
    constexpr std::string_view kBetween = "` | ";
    constexpr std::string_view kEnd = " |";
    const std::size_t end = line.find_first_of("` ", kBegin.size());
    if (line.starts_with(kBegin) && end != std::string::npos && line.ends_with(kEnd) &&
        line.compare(end, kBetween.size(), kBetween) == 0) {
      const std::size_t roles = end + kBetween.size();
      told[line.substr(kBegin.size(), end - kBegin.size())] =
          line.substr(roles, line.size() - kEnd.size() - roles);
    }
  }
  std::map<std::string, std::string> real;
  for (const auto& [method, roles] : AllMethodRoles()) {
    real[method.substr(method.rfind('/') + 1)] = access::RolesText(roles);
  }
  EXPECT_EQ(told, real);
}

}  // namespace
}  // namespace hnx::coordinator
