#include "access/role.h"

#include <gtest/gtest.h>

namespace hnx::access {
namespace {

TEST(RoleTest, ReadsItsOwnNames) {
  for (const Role role : kAllRoles) {
    EXPECT_EQ(ParseRole(RoleName(role)), role);
  }
  for (const char* text : {"", "Worker", "worker ", "admin", "workers"}) {
    EXPECT_FALSE(ParseRole(text)) << text;
  }
}

TEST(RoleTest, TellsRolesInWords) {
  EXPECT_EQ(RolesText({}), "none");
  EXPECT_EQ(RolesText({Role::kIndex, Role::kWorker}), "worker or index");
}

TEST(IdentityTest, AddsUpTheRolesOfACertificate) {
  const auto identity =
      IdentityOfUris({"https://example.org/", "hypercore-nixos:worker:w-1.example",
                      "hypercore-nixos:index:other"});
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->name, "w-1.example");
  EXPECT_EQ(identity->roles, (Roles{Role::kWorker, Role::kIndex}));
}

TEST(IdentityTest, HasNoRoleWithoutAUriOfOurs) {
  for (const std::vector<std::string>& uris : {std::vector<std::string>{},
                                               {"spiffe://example.org/operator"},
                                               {"Hypercore-Nixos:operator:a"}}) {
    const auto identity = IdentityOfUris(uris);
    ASSERT_TRUE(identity.has_value());
    EXPECT_TRUE(identity->roles.empty());
    EXPECT_TRUE(identity->name.empty());
  }
}

TEST(IdentityTest, RefusesWhatIsHalfOneOfOurs) {
  for (const char* uri :
       {"hypercore-nixos:", "hypercore-nixos:operator",
        "hypercore-nixos:operator:", "hypercore-nixos:root:a", "hypercore-nixos:operator:a b",
        "hypercore-nixos:operator:a:b", "hypercore-nixos::a", "hypercore-nixos:operator:a\nb"}) {
    EXPECT_FALSE(IdentityOfUris({"hypercore-nixos:viewer:v", uri}).has_value()) << uri;
  }
  EXPECT_FALSE(
      IdentityOfUris({"hypercore-nixos:viewer:" + std::string(kNameMax + 1, 'a')}).has_value());
}

}  // namespace
}  // namespace hnx::access
