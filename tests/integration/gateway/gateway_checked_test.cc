// A gateway that checks what it reads from the disk before it sends it.
#include <filesystem>
#include <fstream>

#include "hyper/blobs/blob_id.h"
#include "mirror_fixture.h"

namespace hnx::gateway {
namespace {

constexpr std::size_t kNarBytes = 5 * hyper::kBlobBlockBytes + 100;

class GatewayCheckedTest : public MirrorTest {
 protected:
  GatewayCheckedTest() : MirrorTest(true) {
    for (std::size_t i = 0; nar_.size() < kNarBytes; ++i) {
      nar_ += std::to_string(i);
    }
    nar_.resize(kNarBytes);
    Publish(1, nar_);
  }

  // In the file of the shard's bytes, which holds nothing but this NAR.
  void FlipByte(std::size_t at) {
    std::filesystem::path data;
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(folder_ / shard_->key().id())) {
      if (file.path().filename() == "data" && file.file_size() == kNarBytes) {
        data = file.path();
      }
    }
    std::fstream stream(data, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const int was = stream.get();
    ASSERT_EQ(was, static_cast<unsigned char>(nar_[at]));
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(was ^ 4));
    ASSERT_TRUE(stream.flush());
  }

  std::string nar_;
};

TEST_F(GatewayCheckedTest, AnswersLikeAnyOtherWhileNothingIsDamaged) {
  const auto whole = GetNar(1);
  EXPECT_EQ(whole.status, 200);
  EXPECT_TRUE(whole.body == nar_);
  const auto part = GetNar(1, "Range: bytes=65530-65545\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, nar_.substr(65530, 16));
  EXPECT_EQ(GetNar(1, "If-None-Match: " + whole.Header("ETag") + "\r\n").status, 304);
  const auto head = Ask(Request("/nar/" + NarFileName(1), "", "HEAD"), false);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("Content-Length"), std::to_string(kNarBytes));
  EXPECT_NE(Get("/mirror.json").body.find("cache.example"), std::string::npos);
}

TEST_F(GatewayCheckedTest, PromisesNothingOfWhichTheFirstBlockIsDamaged) {
  FlipByte(7);
  const auto answer = GetNar(1);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.Header("X-Hypercore-Reason"), "drive-unreadable");
  EXPECT_EQ(GetNar(1, "Range: bytes=65536-65545\r\n").body, nar_.substr(65536, 10));
}

TEST_F(GatewayCheckedTest, EndsTheAnswerBeforeADamagedBlock) {
  const std::size_t damaged = 3 * hyper::kBlobBlockBytes;
  FlipByte(damaged + 10);
  RawClient client(server_->port());
  const auto answer = client.Ask(Request("/nar/" + NarFileName(1)));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == nar_.substr(0, damaged)) << answer.body.size();
  EXPECT_TRUE(client.ClosedWithin(60'000));
}

TEST_F(GatewayCheckedTest, SaysSoWhenTheBytesAreGone) {
  const auto entry = shard_->Entry("/nar/" + NarFileName(1));
  ASSERT_TRUE(entry && *entry && (*entry)->blob);
  ASSERT_TRUE(shard_->Clear(*(*entry)->blob));
  Refresh();
  EXPECT_EQ(GetNar(1).Header("X-Hypercore-Reason"), "bytes-gone");
}

}  // namespace
}  // namespace hnx::gateway
