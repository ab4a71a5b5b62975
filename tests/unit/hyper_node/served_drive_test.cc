// What peers are told of a drive whose heads somebody else accepts.
#include <unordered_set>

#include "node_fixture.h"

namespace hnx::hyper {
namespace {

class ServedDriveTest : public NodeFixture {};

TEST_F(ServedDriveTest, NothingIsToldBeforeAHeadWasAccepted) {
  Put("/a", "1");
  const SignedDriveHead first = drive_->signed_head();
  const auto origin = Node();
  Serve(*origin, HeadRule::kAccepted);
  const auto reader = Node({AddressOf(*origin)});
  const auto remote = OpenRemote(*reader);
  // It is connected, and told of an empty drive.
  for (bool opened = false; !opened;) {
    for (const CoreStatistics& core : Must(origin->Cores())) {
      opened = opened || !core.peers.empty();
    }
  }
  EXPECT_EQ(CodeOf(remote->WaitForHead(ReadLimits::Within(200ms))), ErrorCode::kDeadlineExceeded);
  // What is committed after the accepted head is not told either.
  Put("/b", "2");
  Must(origin->SetAccepted(drive_->key(), first));
  const auto view = View(*remote);
  EXPECT_EQ(view->version(), first.db.length);
  EXPECT_EQ(ReadFrom(*view, "/a"), "1");
  EXPECT_FALSE(Must(view->Entry("/b")).has_value());
  // Growth is told to those who are connected.
  Must(origin->SetAccepted(drive_->key(), drive_->signed_head()));
  Must(remote->WaitForVersion(first.db.length, ReadLimits::Within(kLong)));
  EXPECT_EQ(ReadFrom(*View(*remote), "/b"), "2");
  // An older word that comes late changes nothing.
  Must(origin->SetAccepted(drive_->key(), first));
  EXPECT_EQ(remote->version(), drive_->head().db_length);
}

TEST_F(ServedDriveTest, AHeadThatIsNotTheFilesIsRefused) {
  Put("/a", "1");
  const auto origin = Node();
  Serve(*origin, HeadRule::kAccepted);
  EXPECT_EQ(CodeOf(origin->AddServedDrive(
                {drive_->key(), drive_->content_key(), folder(), HeadRule::kNewest})),
            ErrorCode::kAlreadyExists);
  const DriveKey unknown{std::array<std::byte, 32>{}};
  EXPECT_EQ(CodeOf(origin->SetAccepted(unknown, drive_->signed_head())), ErrorCode::kNotFound);
}

TEST_F(ServedDriveTest, AnOccupiedAddressIsNamed) {
  const auto first = Node();
  PeerNodeOptions options;
  options.listen = {AddressOf(*first)};
  const auto second = PeerNode::Start(std::move(options));
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find(AddressOf(*first)), std::string::npos)
      << second.error().message;
}

TEST_F(ServedDriveTest, ConnectionsBeyondTheLimitAreRefused) {
  PeerNodeOptions options;
  options.listen = {"127.0.0.1:0"};
  options.transport.connections_max = 1;
  const auto origin = Must(PeerNode::Start(std::move(options)));
  const auto first = Node({AddressOf(*origin)});
  while (Must(origin->Statistics()).streams == 0) {
  }
  const auto second = Node({AddressOf(*origin)});
  while (Must(origin->Statistics()).transport.connections_refused == 0) {
  }
  EXPECT_EQ(Must(origin->Statistics()).streams, 1U);
}

TEST_F(ServedDriveTest, APeerThatComesBackIsDialledAgain) {
  Put("/a", "1");
  auto origin = Origin();
  const std::string address = AddressOf(*origin);
  const auto reader = Node({address});
  while (Must(reader->Statistics()).streams == 0) {
  }
  origin.reset();
  PeerNodeOptions options;
  options.listen = {address};
  origin = Must(PeerNode::Start(std::move(options)));
  Serve(*origin);
  const auto remote = OpenRemote(*reader);
  EXPECT_EQ(ReadFrom(*View(*remote), "/a"), "1");
}

}  // namespace
}  // namespace hnx::hyper
