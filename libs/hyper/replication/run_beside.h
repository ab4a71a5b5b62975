// RunBeside: threads that take work off a Replicator's.
#pragma once

#include <functional>

namespace hnx::hyper {

// Runs `work` on another thread, then `done` on the Replicator's. Empty: there is none.
using RunBeside = std::function<void(std::function<void()> work, std::function<void()> done)>;

struct Helpers {
  RunBeside disk;     // waits for the disk
  RunBeside hashing;  // hashes blocks
};

}  // namespace hnx::hyper
