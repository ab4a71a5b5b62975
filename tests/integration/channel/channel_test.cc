// Channel resolution against a server that lies, with a real PostgreSQL. Numbers P... are those of
// the catalogue of bad inputs.
#include <chrono>
#include <memory>

#include <gtest/gtest.h>
#include <lzma.h>
#include <poll.h>

#include "base/hex.h"
#include "coordinator/channel/channel_resolver.h"
#include "nix/hash.h"
#include "support/fault_http_server.h"
#include "walk_database.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;
using test::Answer;

constexpr const char* kRevision = "0123456789abcdef0123456789abcdef01234567";

std::string Xz(const std::string& text) {
  std::string packed(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  EXPECT_EQ(
      lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, UChars(AsBytes(text)), text.size(),
                              reinterpret_cast<std::uint8_t*>(packed.data()), &size, packed.size()),
      LZMA_OK);
  packed.resize(size);
  return packed;
}

// "/nix/store/<hash of n>-package-n\n" for n in [0, count).
std::string List(int count) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    std::string hash = std::to_string(10'000 + i);
    list += "/nix/store/" + std::string(32 - hash.size(), '0') + hash + "-package-" +
            std::to_string(i) + "\n";
  }
  return list;
}

class ChannelTest : public ::testing::Test {
 protected:
  using Files = std::map<std::string, std::string>;

  Files GoodFiles(const std::string& list) const {
    return {{"git-revision", kRevision},
            {"binary-cache-url", server_.Url("/cache")},
            {"nixexprs.tar.xz", std::string(3'000'000, 'n')},
            {"nixos.iso", "an image"},
            {"store-paths.xz", Xz(list)}};
  }
  static std::string PageOf(const Files& files) {
    std::string rows;
    for (const auto& [name, content] : files) {
      rows += "<tr><td><a href='" + name + "'>" + name + "</a></td><td>" +
              std::to_string(content.size()) + "</td><td><tt>" +
              EncodeHex(nix::Sha256::Of(AsBytes(content))) + "</tt></td></tr>";
    }
    return "<html><table>" + rows + "</table></html>";
  }
  void Publish(const std::string& release, const Files& files) {
    const std::string directory = "/releases/c/" + release;
    server_.Serve("/channels/c", {Answer(302, "", {{"Location", server_.Url(directory)}})});
    server_.Serve(directory, {Answer(200, PageOf(files))});
    for (const auto& [name, content] : files) {
      server_.Serve(directory + "/" + name, {test::File(content)});
    }
  }

  ReleaseId Submit(bool force = false, const std::vector<std::string>& match = {}) {
    return database_.AddRelease("c", server_.Url("/cache"), force, match);
  }
  ChannelResolverOptions Options() const {
    ChannelResolverOptions options;
    options.fetch.channel.channel_url = server_.Url("/channels");
    options.retry = {.base = milliseconds(1), .cap = milliseconds(5)};
    options.idle_interval = milliseconds(5);
    return options;
  }
  // The state that the release ends in.
  std::string Resolve(ReleaseId release, ChannelResolverOptions options, int rounds = 100) {
    ChannelResolver resolver(client_, database_.store(), std::move(options));
    for (int i = 0; i < rounds && StateOf(release) == "resolving"; ++i) {
      (void)::poll(nullptr, 0, static_cast<int>(resolver.RunOnce().count()));
    }
    return StateOf(release);
  }
  std::string Resolve(ReleaseId release) { return Resolve(release, Options()); }
  std::string StateOf(ReleaseId release) { return Of(release, "state"); }
  std::string Of(ReleaseId release, const std::string& column) {
    return database_.Ask("SELECT " + column +
                         " FROM release WHERE id = " + std::to_string(release));
  }
  bool Says(ReleaseId release, const std::string& words) {
    return Of(release, "message").find(words) != std::string::npos;
  }

  test::FaultHttpServer server_;
  test::WalkDatabase database_;
  http::HttpClient client_{http::HttpClientOptions{}};
};

TEST_F(ChannelTest, PinsTheReleaseKeepsItsFilesAndAddsTheRoots) {
  Publish("c-1.2.abcdef0", GoodFiles(List(50)));
  const ReleaseId release = Submit();
  ASSERT_EQ(Resolve(release), "walking");
  EXPECT_EQ(Of(release, "name"), "c-1.2.abcdef0");
  EXPECT_EQ(Of(release, "revision"), kRevision);
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM release_path WHERE is_root"), "50");
  EXPECT_EQ(
      database_.AskAll("SELECT name FROM release_file WHERE artifact_id IS NOT NULL ORDER BY 1"),
      (std::vector<std::string>{"binary-cache-url", "git-revision", "nixexprs.tar.xz",
                                "store-paths.xz"}))
      << "no image unless asked for";
  EXPECT_EQ(
      database_.Ask("SELECT sum(octet_length(bytes)) FROM artifact_chunk c JOIN release_file f "
                    "USING (artifact_id) WHERE f.name = 'nixexprs.tar.xz'"),
      "3000000");
}

TEST_F(ChannelTest, TakesOnlyTheRootsThatMatch) {
  Publish("c-1.2", GoodFiles(List(50)));
  ASSERT_EQ(Resolve(Submit(false, {"-package-1[0-9]$"})), "walking");
  EXPECT_EQ(database_.Ask("SELECT count(*) FROM release_path WHERE is_root"), "10");
}

TEST_F(ChannelTest, ASelectionThatMatchesNothingIsRefused) {
  Publish("c-1.2", GoodFiles(List(5)));
  const ReleaseId release = Submit(false, {"no-such-package"});
  ASSERT_EQ(Resolve(release), "refused");
  EXPECT_TRUE(Says(release, "none of the 5 listed paths"));
}

TEST_F(ChannelTest, P1ToP7ABadListIsRefusedWhole) {
  for (const std::string& list :
       {std::string(), std::string("\n"), List(3) + "\n" + List(2), List(2) + "relative\n",
        List(2) + "/nix/store/../../etc/passwd\n", std::string("<html></html>")}) {
    Publish("c-1.2", GoodFiles(list));
    const ReleaseId release = Submit();
    EXPECT_EQ(Resolve(release), "refused") << list;
    EXPECT_EQ(database_.Ask("SELECT count(*) FROM release_path"), "0") << list;
  }
  Files truncated = GoodFiles(List(50));
  truncated["store-paths.xz"].resize(100);
  Publish("c-1.2", truncated);
  EXPECT_EQ(Resolve(Submit()), "refused");
}

TEST_F(ChannelTest, P8AListThatShrinksIsHeldBackUntilForced) {
  Publish("c-1.2", GoodFiles(List(100)));
  ASSERT_EQ(Resolve(Submit()), "walking");
  Publish("c-1.3", GoodFiles(List(69)));
  const ReleaseId held = Submit();
  ASSERT_EQ(Resolve(held), "refused");
  EXPECT_TRUE(Says(held, "--force"));
  EXPECT_EQ(Resolve(Submit(true)), "walking");
}

TEST_F(ChannelTest, P9OnlyARedirectToARelease) {
  for (const auto& answer : {Answer(200, "hello"), Answer(302, ""), Answer(404, ""),
                             Answer(302, "", {{"Location", "https://evil.example/c/c-1"}}),
                             Answer(302, "", {{"Location", "file:///etc/passwd"}}),
                             Answer(302, "", {{"Location", "http://127.0.0.1:9/releases/c/c-1.2"}}),
                             Answer(302, "", {{"Location", server_.Url("/channels/c")}})}) {
    server_.Serve("/channels/c", {answer});
    EXPECT_EQ(Resolve(Submit()), "refused");
  }
}

TEST_F(ChannelTest, P10ARedirectThatMovesWhileWeReadChangesNothing) {
  Publish("c-1.2", GoodFiles(List(5)));
  // The list's first download fails; meanwhile the channel moves on.
  server_.Serve("/releases/c/c-1.2/nixexprs.tar.xz", {Answer(503, "busy", {{"Retry-After", "0"}}),
                                                      test::File(std::string(3'000'000, 'n'))});
  const ReleaseId release = Submit();
  ChannelResolver resolver(client_, database_.store(), Options());
  (void)resolver.RunOnce();
  ASSERT_EQ(Of(release, "name"), "c-1.2");
  server_.Serve("/channels/c", {Answer(302, "", {{"Location", server_.Url("/releases/c/c-1.3")}})});
  ASSERT_EQ(Resolve(release), "walking");
  EXPECT_EQ(Of(release, "name"), "c-1.2");
}

TEST_F(ChannelTest, P11AnOlderReleaseIsHeldBackUntilForced) {
  Publish("c-1.10", GoodFiles(List(5)));
  ASSERT_EQ(Resolve(Submit()), "walking");
  Publish("c-1.9", GoodFiles(List(5)));
  const ReleaseId held = Submit();
  ASSERT_EQ(Resolve(held), "refused");
  EXPECT_TRUE(Says(held, "older than c-1.10"));
  EXPECT_EQ(Resolve(Submit(true)), "walking");
}

TEST_F(ChannelTest, P12AFileThatIsNotWhatItsPageSaysIsRefused) {
  for (const char* name : {"nixexprs.tar.xz", "git-revision", "store-paths.xz"}) {
    Publish("c-1.2", GoodFiles(List(5)));
    std::string other = GoodFiles(List(5))[name];
    other[0] = static_cast<char>(other[0] ^ 1);
    server_.Serve(std::string("/releases/c/c-1.2/") + name, {test::File(other)});
    EXPECT_EQ(Resolve(Submit()), "refused") << name;
  }
}

TEST_F(ChannelTest, P12APageWithoutATableIsAccepted) {
  Publish("c-1.2", GoodFiles(List(5)));
  server_.Serve("/releases/c/c-1.2", {Answer(200, "<html>files</html>")});
  EXPECT_EQ(Resolve(Submit()), "walking");
}

TEST_F(ChannelTest, P13AReleaseOfAnotherCacheIsRefusedUnlessAllowed) {
  Files files = GoodFiles(List(5));
  files["binary-cache-url"] = "https://cache.example\n";
  Publish("c-1.2", files);
  const ReleaseId release = Submit();
  ASSERT_EQ(Resolve(release), "refused");
  EXPECT_TRUE(Says(release, "--binary-cache-host"));
  ChannelResolverOptions options = Options();
  options.fetch.binary_cache_hosts = {"cache.example"};
  EXPECT_EQ(Resolve(Submit(), options), "walking");
}

TEST_F(ChannelTest, AServerThatIsDownIsWaitedFor) {
  Publish("c-1.2", GoodFiles(List(5)));
  server_.Serve("/channels/c", {Answer(502, ""), Answer(503, ""), Answer(500, ""), Answer(502, ""),
                                Answer(504, ""),
                                Answer(302, "", {{"Location", server_.Url("/releases/c/c-1.2")}})});
  EXPECT_EQ(Resolve(Submit()), "walking");
}

TEST_F(ChannelTest, ABrokenDownloadGoesOnWhereItEnded) {
  Publish("c-1.2", GoodFiles(List(5)));
  const std::string body(3'000'000, 'n');
  server_.Serve("/releases/c/c-1.2/nixexprs.tar.xz",
                {test::Truncated(body, 1'000'000), test::File(body)});
  EXPECT_EQ(Resolve(Submit()), "walking");
}

TEST_F(ChannelTest, ASecondSubmissionTakesTheKeptFiles) {
  Publish("c-1.2", GoodFiles(List(5)));
  ASSERT_EQ(Resolve(Submit()), "walking");
  ASSERT_EQ(Resolve(Submit()), "walking");
  EXPECT_EQ(server_.Count("/releases/c/c-1.2/nixexprs.tar.xz"), 1);
}

}  // namespace
}  // namespace hnx::coordinator
