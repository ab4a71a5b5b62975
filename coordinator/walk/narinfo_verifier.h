// NarInfoVerifier: threads that parse narinfos and check their signatures, beside the thread that
// carries the transfers. Each answer goes to the sink that came with its question.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/result.h"
#include "coordinator/store/walk_store.h"
#include "http/http_client.h"
#include "nix/trusted_keys.h"

namespace hnx::coordinator {

struct WalkPolicy {
  nix::TrustedKeys keys;
  nix::TrustPolicy trust;
  nix::NarInfoPolicy nar_info;
};

// One path with its outcome: verified, refused by us, or not had.
struct WalkAnswer {
  FrontierPath path;
  std::size_t upstream = 0;  // its place among those of the walk
  Clock::SteadyTime asked_at{};
  std::variant<VerifiedNarInfo, Error, http::HttpFailure> outcome;
};

// Takes answers from any thread, never blocks.
class WalkAnswerSink {
 public:
  virtual ~WalkAnswerSink() = default;
  virtual void Take(WalkAnswer answer) = 0;
};

// Parses and checks the narinfo of the store path with this hash; `path` is left out. Pure.
Result<VerifiedNarInfo> VerifyNarInfoText(const std::string& hash, const std::string& content,
                                          const WalkPolicy& policy);
// The same for a path that somebody named.
Result<VerifiedNarInfo> VerifyForWalk(const FrontierPath& path, const std::string& content,
                                      const WalkPolicy& policy);

class NarInfoVerifier {
 public:
  // At most `queue_max` narinfos wait; who asks for more than that at a time blocks.
  NarInfoVerifier(int threads, std::size_t queue_max);
  ~NarInfoVerifier();
  NarInfoVerifier(const NarInfoVerifier&) = delete;
  NarInfoVerifier& operator=(const NarInfoVerifier&) = delete;

  struct Question {
    FrontierPath path;
    std::size_t upstream = 0;
    Clock::SteadyTime asked_at{};
    std::string content;
    std::shared_ptr<const WalkPolicy> policy;  // the upstream's
    std::shared_ptr<WalkAnswerSink> sink;
  };
  void Verify(Question question);

 private:
  void Run();

  BoundedQueue<Question> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace hnx::coordinator
