// The role mirror, whole: leases from a real gRPC server, NARs from a real HTTP server, real
// drives.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "base/hex.h"
#include "nix/hash.h"
#include "worker_fixture.h"

namespace hnx::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using State = FakeCoordinator::State;

constexpr std::size_t kLarge = std::size_t{5} << 20;

class MirrorRoleTest : public WorkerTest {};

TEST_F(MirrorRoleTest, StoresNarsOfEveryCompressionByteForByte) {
  std::vector<SampleNar> nars;
  std::vector<pb::NarUnit> units;
  for (const auto compression :
       {nix::Compression::kNone, nix::Compression::kXz, nix::Compression::kZstd}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{100'000}, kLarge}) {
      nars.push_back(MakeNar(nars.size(), size, compression));
      if (compression == nix::Compression::kNone) {
        nars.back().name += "-plain";
      }
      if (size == 0) {
        nars.back().name += "-" + std::to_string(nars.size());
      }
      units.push_back(Serve(nars.back()));
    }
  }
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob(units));
  for (const SampleNar& nar : nars) {
    EXPECT_EQ(Stored(nar.name), nar.file) << nar.name;
    EXPECT_EQ(coordinator_.Copies(nar.name), 1U);
    EXPECT_EQ(upstream_.Count("/nar/" + nar.name), 1);
  }
}

TEST_F(MirrorRoleTest, ReportsHashesAndPlaceOfEachEntry) {
  const SampleNar nar = MakeNar(1, 3000);
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  coordinator_.With([&](State& state) {
    const pb::ShardEntry& entry = state.entries[nar.name].front().second;
    EXPECT_EQ(entry.nar_size(), nar.nar.size());
    EXPECT_EQ(entry.nar_hash(), ToString(nix::Sha256::Of(AsBytes(nar.nar))));
    EXPECT_EQ(entry.file_hash(), ToString(nix::Sha256::Of(AsBytes(nar.file))));
    EXPECT_EQ(entry.blob().byte_length(), nar.file.size());
    EXPECT_FALSE(entry.file_hash_drift());
  });
}

TEST_F(MirrorRoleTest, CountsFileHashDriftAndStoresTheNar) {
  const SampleNar nar = MakeNar(2, 3000);
  pb::NarUnit unit = Serve(nar);
  unit.set_file_hash(std::string(32, 'x'));
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  coordinator_.With([&](State& state) {
    ASSERT_FALSE(state.entries[nar.name].empty());
    EXPECT_TRUE(state.entries[nar.name].front().second.file_hash_drift());
  });
}

TEST_F(MirrorRoleTest, AMissingNarIsReportedAtOnce) {
  SampleNar nar = MakeNar(3, 1000);
  const pb::NarUnit unit = nar.Unit(7, upstream_.Url("/nar/absent"));
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  EXPECT_EQ(coordinator_.FailureOf(7).reason(), "http-404");
  EXPECT_EQ(coordinator_.FailureOf(7).code(), static_cast<int>(ErrorCode::kNotFound));
  EXPECT_EQ(upstream_.Count("/nar/absent"), 1);
}

TEST_F(MirrorRoleTest, AWrongHashIsFetchedOnceMoreAndThenReported) {
  const SampleNar good = MakeNar(4, 50'000);
  pb::NarUnit unit = Serve(good);
  unit.set_nar_hash(std::string(32, 'h'));
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  const pb::NarFailure failure = coordinator_.FailureOf(unit.nar_id());
  EXPECT_EQ(failure.reason(), "nar-hash-mismatch");
  EXPECT_EQ(failure.code(), static_cast<int>(ErrorCode::kDataLoss));
  EXPECT_EQ(upstream_.Count("/nar/" + good.name), 2);
  EXPECT_TRUE(FilesOnDisk().empty());
}

TEST_F(MirrorRoleTest, DamageOnTheWayHealsWithTheSecondFetch) {
  const SampleNar nar = MakeNar(5, 60'000);
  std::string damaged = nar.file;
  damaged[damaged.size() / 2] ^= 1;
  const pb::NarUnit unit = Serve(nar, {File(damaged, "\"a\""), File(nar.file, "\"b\"")});
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  EXPECT_EQ(Stored(nar.name), nar.file);
}

TEST_F(MirrorRoleTest, ABrokenConnectionIsResumed) {
  const SampleNar nar = MakeNar(6, kLarge);
  const pb::NarUnit unit = Serve(nar, {Truncated(nar.file, 2'000'000), File(nar.file)});
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  EXPECT_EQ(Stored(nar.name), nar.file);
}

TEST_F(MirrorRoleTest, AnObjectThatChangesBetweenItsPartsIsTakenFromTheStart) {
  const SampleNar nar = MakeNar(7, kLarge);
  const std::string other(nar.file.size(), 'o');
  const pb::NarUnit unit =
      Serve(nar, {Truncated(other, 3'000'000, "\"old\""), File(nar.file, "\"new\"")});
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  EXPECT_EQ(Stored(nar.name), nar.file);
}

TEST_F(MirrorRoleTest, AThrottlingUpstreamIsReportedWithItsRetryAfter) {
  const SampleNar nar = MakeNar(8, 1000);
  const pb::NarUnit unit = Serve(nar, {Answer(503, "slow down", {{"Retry-After", "7"}})});
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  EXPECT_EQ(coordinator_.FailureOf(unit.nar_id()).reason(), "http-503");
  EXPECT_EQ(coordinator_.FailureOf(unit.nar_id()).retry_after_ms(), 7000U);
}

TEST_F(MirrorRoleTest, ARedirectThatIsNotFollowedIsReportedAsSuch) {
  const SampleNar nar = MakeNar(10, 1000);
  const pb::NarUnit unit =
      Serve(nar, {Answer(302, "", {{"Location", "http://elsewhere.example/" + nar.name}})});
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  const pb::NarFailure failure = coordinator_.FailureOf(unit.nar_id());
  EXPECT_EQ(failure.reason(), "bad-redirect");
  EXPECT_EQ(failure.code(), static_cast<int>(ErrorCode::kInvalidArgument));
  EXPECT_NE(failure.message().find("elsewhere.example"), std::string::npos) << failure.message();
}

TEST_F(MirrorRoleTest, AFileUrlWithoutAnImportFolderIsLeftToOtherWorkers) {
  const SampleNar nar = MakeNar(9, 1000);
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({nar.Unit(1, "file:///etc/passwd")}));
  EXPECT_EQ(coordinator_.FailureOf(1).reason(), "bad-request");
  EXPECT_EQ(coordinator_.FailureOf(1).code(), static_cast<int>(ErrorCode::kUnavailable));
}

TEST_F(MirrorRoleTest, ImportsFromTheAllowedFolderAndNowhereElse) {
  const SampleNar small = MakeNar(10, 1000);
  const SampleNar large = MakeNar(11, kLarge);
  const auto import = folder_ / "import";
  std::filesystem::create_directories(import / "nar");
  for (const SampleNar* nar : {&small, &large}) {
    ASSERT_TRUE(WriteFileDurably(import / "nar" / nar->name, AsBytes(nar->file)).has_value());
  }
  std::filesystem::create_symlink("/etc/passwd", import / "nar" / "passwd");
  options_.import_dir = import;
  StartWorker();
  const std::string base = "file://" + import.string() + "/nar/";
  ASSERT_TRUE(coordinator_.RunJob(
      {small.Unit(1, base + small.name), large.Unit(2, base + large.name),
       MakeNar(12, 10).Unit(3, base + "passwd"), MakeNar(13, 10).Unit(4, base + "absent"),
       MakeNar(14, 10).Unit(5, "file:///etc/hostname")}));
  EXPECT_EQ(Stored(small.name), small.file);
  EXPECT_EQ(Stored(large.name), large.file);
  EXPECT_EQ(coordinator_.FailureOf(3).code(), static_cast<int>(ErrorCode::kInvalidArgument));
  EXPECT_EQ(coordinator_.FailureOf(4).code(), static_cast<int>(ErrorCode::kNotFound));
  EXPECT_EQ(coordinator_.FailureOf(5).code(), static_cast<int>(ErrorCode::kInvalidArgument));
}

TEST_F(MirrorRoleTest, AUnitThatMakesNoSenseFailsAloneAndSaysWhy) {
  const SampleNar good = MakeNar(15, 1000);
  pb::NarUnit escape = MakeNar(16, 10).Unit(50, upstream_.Url("/x"));
  escape.set_file("../../etc/passwd");
  pb::NarUnit unknown = MakeNar(17, 10).Unit(51, upstream_.Url("/x"));
  unknown.set_compression("br");
  pb::NarUnit no_hash = MakeNar(18, 10).Unit(52, upstream_.Url("/x"));
  no_hash.set_nar_hash("short");
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({escape, Serve(good), unknown, no_hash}));
  EXPECT_EQ(Stored(good.name), good.file);
  for (const std::uint64_t id : {50U, 51U, 52U}) {
    EXPECT_EQ(coordinator_.FailureOf(id).reason(), "bad-unit") << id;
  }
}

TEST_F(MirrorRoleTest, AHugeNarRefusedAtItsLastByteLeavesTheDriveAsItWas) {
  const SampleNar first = MakeNar(19, kLarge);
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(first)}));
  const std::uint64_t before = DataBytesOnDisk();
  const auto files = FilesOnDisk();
  const SampleNar bad = MakeNar(20, 4 * kLarge, nix::Compression::kNone);
  std::string flipped = bad.file;
  flipped[flipped.size() - 1'000] ^= 1;
  const pb::NarUnit unit = Serve(bad, {File(flipped)});
  ASSERT_TRUE(coordinator_.RunJob({unit}));
  EXPECT_EQ(coordinator_.FailureOf(unit.nar_id()).reason(), "nar-hash-mismatch");
  EXPECT_EQ(FilesOnDisk(), files);
  StopWorker();
  EXPECT_EQ(DataBytesOnDisk(), before);
}

TEST_F(MirrorRoleTest, ALostAnswerRepeatsNothing) {
  coordinator_.With([](State& state) { state.answers_to_lose = 3; });
  std::vector<pb::NarUnit> units;
  for (std::uint64_t i = 0; i < 30; ++i) {
    units.push_back(Serve(MakeNar(100 + i, 5000)));
  }
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob(units));
  coordinator_.With([](State& state) { state.answers_to_lose = 2; });
  ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(99, 5000))}));
  const auto files = FilesOnDisk();
  EXPECT_EQ(files.size(), 31U);
  for (const auto& [file, drives] : files) {
    EXPECT_EQ(drives, 1) << file;
  }
}

TEST_F(MirrorRoleTest, GoesOnWithLeasedWorkWhileTheCoordinatorIsAway) {
  const SampleNar nar = MakeNar(21, 5000);
  StartWorker();
  FaultHttpServer slow;
  std::atomic<bool> release{false};
  slow.Serve("/n", {[&](const FaultRequest& request, FaultConnection& connection) {
               while (!release && connection.Pause(milliseconds(20))) {
               }
               File(nar.file)(request, connection);
             }});
  coordinator_.AddJob({nar.Unit(1, slow.Url("/n"))});
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.last_request.jobs_size() == 1; }));
  coordinator_.With([](State& state) { state.down = true; });
  release = true;
  while (FilesOnDisk().empty()) {
    std::this_thread::yield();
  }
  coordinator_.With([](State& state) { state.down = false; });
  ASSERT_TRUE(coordinator_.AllVerdicts());
  EXPECT_EQ(Stored(nar.name), nar.file);
  EXPECT_EQ(slow.Count("/n"), 1);
}

TEST_F(MirrorRoleTest, GivesLeasedWorkUpWhenTheLeaseEnds) {
  coordinator_.With([](State& state) { state.lease_ms = 300; });
  StartWorker();
  FaultHttpServer silent;
  std::atomic<bool> left{false};
  silent.Serve("/n", {[&](const FaultRequest& /*request*/, FaultConnection& connection) {
                 connection.WaitForClient();
                 left = true;
               }});
  coordinator_.AddJob({MakeNar(22, 5000).Unit(1, silent.Url("/n"))});
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.last_request.jobs_size() == 1; }));
  coordinator_.With([](State& state) { state.down = true; });
  while (!left) {
    std::this_thread::yield();
  }
  coordinator_.With([](State& state) {
    state.down = false;
    state.jobs.clear();
  });
  EXPECT_TRUE(coordinator_.WaitFor([](const State& s) { return s.last_request.jobs_size() == 0; }));
}

TEST_F(MirrorRoleTest, ADroppedJobEndsItsDownloads) {
  StartWorker();
  FaultHttpServer silent;
  std::atomic<bool> left{false};
  silent.Serve("/n", {[&](const FaultRequest& /*request*/, FaultConnection& connection) {
                 connection.WaitForClient();
                 left = true;
               }});
  coordinator_.AddJob({MakeNar(23, 5000).Unit(1, silent.Url("/n"))});
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.last_request.jobs_size() == 1; }));
  coordinator_.With([](State& state) { state.jobs.clear(); });
  while (!left) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(FilesOnDisk().empty());
}

TEST_F(MirrorRoleTest, ARestartReportsWhatWasNeverRecorded) {
  coordinator_.With([](State& state) { state.accept = false; });
  const SampleNar small = MakeNar(24, 5000);
  const SampleNar large = MakeNar(25, kLarge);
  StartWorker();
  coordinator_.AddJob({Serve(small), Serve(large)});
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) {
    int entries = 0;
    for (const auto& drive : s.last_request.drives()) {
      entries += drive.entries_size();
    }
    return entries == 2;
  }));
  StopWorker();
  coordinator_.With([](State& state) { state.accept = true; });
  StartWorker();
  ASSERT_TRUE(coordinator_.AllVerdicts());
  EXPECT_EQ(Stored(small.name), small.file);
  EXPECT_EQ(Stored(large.name), large.file);
  EXPECT_EQ(upstream_.Count("/nar/" + small.name), 1);
  EXPECT_EQ(upstream_.Count("/nar/" + large.name), 1);
}

TEST_F(MirrorRoleTest, ALostCompareAndSetCutsTheTailAndFetchesAgain) {
  const SampleNar kept = MakeNar(26, 5000);
  const SampleNar lost = MakeNar(27, 6000);
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(kept)}));
  coordinator_.With([](State& state) { state.accept = false; });
  const std::uint64_t job = coordinator_.AddJob({Serve(lost)});
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) {
    return s.last_request.drives_size() == 1 && s.last_request.drives(0).entries_size() == 1;
  }));
  coordinator_.With([](State& state) { state.drives.begin()->second.cut_tail = true; });
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.failures.size() == 1; }));
  EXPECT_EQ(FilesOnDisk().count(lost.name), 0U);
  coordinator_.With([&](State& state) {
    state.drives.begin()->second.cut_tail = false;
    state.accept = true;
    state.failures.clear();
    for (auto& again : state.jobs) {
      if (again.job_id() == job) {
        again.set_attempt(2);
      }
    }
    if (state.jobs.empty()) {
      pb::Job again;
      again.set_job_id(job);
      again.set_attempt(2);
      *again.add_nars() = lost.Unit(500, upstream_.Url("/nar/" + lost.name));
      state.jobs.push_back(again);
    }
  });
  ASSERT_TRUE(coordinator_.AllVerdicts());
  EXPECT_EQ(Stored(lost.name), lost.file);
  EXPECT_EQ(Stored(kept.name), kept.file);
}

TEST_F(MirrorRoleTest, ADriveThatTheCoordinatorForgotIsNeverAppendedToAgain) {
  StartWorker();
  const SampleNar first = MakeNar(28, 5000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(first)}));
  std::string key;
  coordinator_.With([&](State& state) {
    key = state.drives.begin()->first;
    state.drives.begin()->second.forgotten = true;
  });
  const SampleNar second = MakeNar(29, 5000);
  ASSERT_TRUE(coordinator_.WaitFor([calls = std::uint64_t{0}](const State& s) mutable {
    calls = calls == 0 ? s.calls : calls;
    return s.calls >= calls + 2;
  }));
  ASSERT_TRUE(coordinator_.RunJob({Serve(second)}));
  coordinator_.With([&](State& state) {
    EXPECT_NE(state.entries[second.name].front().first, key);
    EXPECT_EQ(state.drives.size(), 2U);
  });
}

TEST_F(MirrorRoleTest, ASealedShardIsFollowedByANewOne) {
  StartWorker();
  const SampleNar first = MakeNar(30, 5000);
  const SampleNar second = MakeNar(31, 5000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(first)}));
  coordinator_.With([&](State& state) { state.drives.begin()->second.sealed = true; });
  ASSERT_TRUE(coordinator_.WaitFor([calls = std::uint64_t{0}](const State& s) mutable {
    calls = calls == 0 ? s.calls : calls;
    return s.calls >= calls + 2;
  }));
  ASSERT_TRUE(coordinator_.RunJob({Serve(second)}));
  EXPECT_EQ(Stored(first.name), first.file);
  EXPECT_EQ(Stored(second.name), second.file);
  coordinator_.With([](State& state) { EXPECT_EQ(state.drives.size(), 2U); });
}

TEST_F(MirrorRoleTest, AShardBeyondItsSizeIsFollowedByANewOne) {
  options_.shard_size_max = 50'000;
  StartWorker();
  for (std::uint64_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(200 + i, 30'000))}));
  }
  coordinator_.With([](State& state) { EXPECT_EQ(state.drives.size(), 3U); });
  EXPECT_EQ(FilesOnDisk().size(), 6U);
}

TEST_F(MirrorRoleTest, DropsACopyAndGivesItsRoomBack) {
  StartWorker();
  const SampleNar nar = MakeNar(32, 500'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(nar)}));
  coordinator_.With([&](State& state) { state.drives.begin()->second.drop_files = {nar.name}; });
  ASSERT_TRUE(coordinator_.WaitFor(
      [&](const State& s) { return s.drives.begin()->second.drop_files.empty(); }));
  EXPECT_EQ(coordinator_.Copies(nar.name), 0U);
  EXPECT_TRUE(FilesOnDisk().empty());
  // Asked again (the report was lost, the worker was killed): it says so again.
  coordinator_.With([&](State& state) { state.drives.begin()->second.drop_files = {nar.name}; });
  ASSERT_TRUE(coordinator_.WaitFor(
      [&](const State& s) { return s.drives.begin()->second.drop_files.empty(); }));
}

TEST_F(MirrorRoleTest, DeletesEntriesThenClearsBlocksAndSaysSoUntilItIsNotAskedAnyMore) {
  StartWorker();
  const SampleNar goes = MakeNar(34, 500'000);
  const SampleNar stays = MakeNar(35, 100'000);
  ASSERT_TRUE(coordinator_.RunJob({Serve(goes), Serve(stays)}));
  pb::BlobId blob;
  coordinator_.With([&](State& state) {
    blob = state.entries.at(goes.name).front().second.blob();
    state.drives.begin()->second.delete_files = {goes.name};
  });
  const auto drive_of = [](const State& s) { return s.drives.begin()->second; };
  ASSERT_TRUE(
      coordinator_.WaitFor([&](const State& s) { return drive_of(s).delete_files.empty(); }));
  EXPECT_EQ(coordinator_.Copies(goes.name), 0U);
  EXPECT_EQ(FilesOnDisk().size(), 1U);
  coordinator_.With([&](State& state) { state.drives.begin()->second.clear_blobs = {blob}; });
  ASSERT_TRUE(
      coordinator_.WaitFor([&](const State& s) { return drive_of(s).clear_blobs.empty(); }));
  EXPECT_EQ(Stored(stays.name), stays.file);
  // Both asked again, as after a lost report: each is said again.
  coordinator_.With([&](State& state) {
    state.drives.begin()->second.delete_files = {goes.name};
    state.drives.begin()->second.clear_blobs = {blob};
  });
  ASSERT_TRUE(coordinator_.WaitFor([&](const State& s) {
    return drive_of(s).delete_files.empty() && drive_of(s).clear_blobs.empty();
  }));
  // The same NAR once more: another copy, which nobody asked to have removed.
  ASSERT_TRUE(coordinator_.RunJob({Serve(goes)}));
  EXPECT_EQ(Stored(goes.name), goes.file);
}

TEST_F(MirrorRoleTest, ANewerIncarnationEndsTheWorker) {
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.calls > 0; }));
  coordinator_.With([](State& state) { state.incarnation += 1; });
  while (ended_ == -1) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ended_, static_cast<int>(worker::EndReason::kSuperseded));
  worker_->Stop(true);
}

TEST_F(MirrorRoleTest, TwoProcessesOnOneDirectoryAreRefused) {
  StartWorker();
  worker::WorkerOptions options = options_;
  ASSERT_TRUE(worker::Complete(&options).has_value());
  const auto second = worker::Worker::Start(options, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("another worker runs on this data directory"));
}

TEST_F(MirrorRoleTest, AWorkerEndsWhenItsDataDirectoryIsDeletedUnderIt) {
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(36, 5000))}));
  std::filesystem::remove_all(options_.data);
  while (ended_ == -1) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ended_, static_cast<int>(worker::EndReason::kRefused));
}

TEST_F(MirrorRoleTest, TellsOfDrivesThatAreThereAndCannotBeRead) {
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(37, 5000))}));
  std::string key;
  coordinator_.With([&](State& state) {
    key = state.drives.begin()->first;
    EXPECT_TRUE(state.last_request.lists_all_drives());
    EXPECT_FALSE(state.last_request.disk_full());
  });
  StopWorker();
  const std::filesystem::path drives = std::filesystem::path(options_.data) / "drives";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(drives)) {
    if (entry.path().filename() == "oplog") {
      std::ofstream(entry.path(), std::ios::trunc) << std::string(20'000, 'x');
    }
  }
  StartWorker();
  ASSERT_TRUE(coordinator_.WaitFor([&](const State& state) {
    return state.last_request.drives_size() == 0 && state.last_request.unread_drives_size() == 1 &&
           state.last_request.unread_drives(0) == key;
  }));
  coordinator_.With([](State& state) { EXPECT_TRUE(state.last_request.lists_all_drives()); });
}

TEST_F(MirrorRoleTest, AFullDiskTakesNoWork) {
  options_.disk_reserve = std::uint64_t{1} << 60;
  StartWorker();
  coordinator_.AddJob({Serve(MakeNar(33, 1000))});
  ASSERT_TRUE(coordinator_.WaitFor([](const State& s) { return s.calls > 3; }));
  coordinator_.With([](State& state) {
    EXPECT_EQ(state.last_request.capacity_bytes(), 0U);
    EXPECT_EQ(state.last_request.disk_free_bytes(), 0U);
    EXPECT_EQ(state.last_request.jobs_size(), 0);
    EXPECT_TRUE(state.last_request.disk_full());
  });
}

TEST_F(MirrorRoleTest, LeavingReportsWhatIsStoredAndThatItLeaves) {
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob({Serve(MakeNar(34, 1000))}));
  const auto began = std::chrono::steady_clock::now();
  worker_->Stop(false);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  coordinator_.With([](State& state) {
    EXPECT_TRUE(state.drained);
    EXPECT_EQ(state.last_request.jobs_size(), 0);
    EXPECT_EQ(state.last_request.capacity_bytes(), 0U);
  });
}

TEST_F(MirrorRoleTest, StoresManyNarsOfAllSizesOnceEach) {
  std::vector<SampleNar> nars;
  std::vector<pb::NarUnit> units;
  for (std::uint64_t i = 0; i < 120; ++i) {
    nars.push_back(MakeNar(1000 + i, i % 10 == 0 ? 1'500'000 + i * 1000 : i * 997));
    units.push_back(Serve(nars.back()));
  }
  StartWorker();
  ASSERT_TRUE(coordinator_.RunJob(units));
  const auto files = FilesOnDisk();
  EXPECT_EQ(files.size(), nars.size());
  for (const SampleNar& nar : nars) {
    ASSERT_EQ(Stored(nar.name), nar.file);
  }
}

}  // namespace
}  // namespace hnx::test
