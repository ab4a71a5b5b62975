#include "access/token.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace hnx::access {
namespace {

class TokenTableTest : public testing::Test {
 protected:
  TokenTableTest() {
    std::string name = std::filesystem::temp_directory_path() / "hnx-token-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    file_ = folder_ / "tokens";
  }
  ~TokenTableTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& text, unsigned mode = 0600) {
    std::ofstream(folder_ / "next") << text;
    ::chmod((folder_ / "next").c_str(), mode);
    std::filesystem::rename(folder_ / "next", file_);
  }
  std::string ErrorOf(const std::string& text, unsigned mode = 0600) {
    Write(text, mode);
    const auto table = TokenTable::Open(file_, clock_);
    return table.has_value() ? "" : table.error().message;
  }

  FakeClock clock_;
  std::filesystem::path folder_;
  std::filesystem::path file_;
  const std::string token_ = MakeToken();
};

TEST_F(TokenTableTest, FindsWhoATokenIs) {
  Write("# people\n\n" + TokenLine(Role::kViewer, "v", token_) + " # looks\n" +
        TokenLine(Role::kOperator, "v", token_) + "\n" + TokenLine(Role::kWorker, "w", "another") +
        "\n");
  const auto table = TokenTable::Open(file_, clock_);
  ASSERT_TRUE(table.has_value()) << table.error().message;
  const auto found = (*table)->Find(token_);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->name, "v");
  EXPECT_EQ(found->roles, (Roles{Role::kOperator, Role::kViewer}));
  for (const std::string& wrong :
       {std::string(), token_.substr(1), token_ + "0", MakeToken(), std::string(5'000'000, 'a')}) {
    EXPECT_FALSE((*table)->Find(wrong).has_value());
  }
}

TEST_F(TokenTableTest, RefusesWhatIsNoLine) {
  const std::string good = TokenLine(Role::kViewer, "v", token_);
  for (const std::string& line :
       {std::string("viewer v"), "viewer v " + token_.substr(1), "root" + good.substr(6),
        good + " more", "viewer a/b " + good.substr(9)}) {
    const std::string error = ErrorOf(good + "\n" + line + "\n");
    EXPECT_NE(error.find("line 2: want ROLE NAME SHA256"), std::string::npos)
        << line << ": " << error;
    EXPECT_EQ(error.find(token_.substr(1)), std::string::npos)
        << "a token may stand there by mistake";
  }
  EXPECT_NE(ErrorOf(good, 0644).find("run chmod 600"), std::string::npos);
  EXPECT_EQ(ErrorOf(good), "");
}

TEST_F(TokenTableTest, SeesAChangedFileAndKeepsTheOldOneForABrokenOne) {
  Write(TokenLine(Role::kViewer, "v", token_));
  const auto table = TokenTable::Open(file_, clock_);
  ASSERT_TRUE(table.has_value());
  const std::string next = MakeToken();
  Write(TokenLine(Role::kViewer, "new-name", next));
  clock_.Advance(TokenTable::kLookInterval);
  EXPECT_FALSE((*table)->Find(token_).has_value());
  EXPECT_TRUE((*table)->Find(next).has_value());
  Write("broken");
  clock_.Advance(TokenTable::kLookInterval);
  EXPECT_TRUE((*table)->Find(next).has_value());
  std::filesystem::remove(file_);
  clock_.Advance(TokenTable::kLookInterval);
  EXPECT_TRUE((*table)->Find(next).has_value());
  Write(TokenLine(Role::kViewer, "v", token_));
  clock_.Advance(TokenTable::kLookInterval);
  EXPECT_TRUE((*table)->Find(token_).has_value());
  EXPECT_FALSE((*table)->Find(next).has_value());
}

TEST_F(TokenTableTest, ReadsATokenOfAClient) {
  Write(token_ + "\n");
  EXPECT_EQ(*ReadTokenFile(file_), token_);
  for (const std::string& wrong : {std::string(), std::string("short"), token_ + "\n" + token_,
                                   std::string(kTokenCharsMax + 1, 'a')}) {
    Write(wrong);
    EXPECT_FALSE(ReadTokenFile(file_).has_value()) << wrong.substr(0, 80);
  }
  Write(token_, 0604);
  EXPECT_FALSE(ReadTokenFile(file_).has_value());
}

TEST(MakeTokenTest, MakesAnotherOneEachTime) {
  std::set<std::string> made;
  for (int i = 0; i < 100; ++i) {
    made.insert(MakeToken());
  }
  EXPECT_EQ(made.size(), 100U);
  EXPECT_EQ(made.begin()->size(), kTokenChars);
}

}  // namespace
}  // namespace hnx::access
