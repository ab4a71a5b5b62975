// CpuMeter: who used the processors between two moments: this process, the cache's server,
// PostgreSQL with all its children, and everybody else on the machine. From /proc.
#pragma once

#include <chrono>

#include <sys/types.h>

namespace hnx::bench {

// Seconds.
struct CpuUse {
  double wall = 0;
  double own = 0;
  double server = 0;
  double postgres = 0;
  double others = 0;  // what is left of the machine's busy time

  // Mean number of processors that others kept busy.
  double OthersCores() const { return wall > 0 ? others / wall : 0; }
};

class CpuMeter {
 public:
  CpuMeter(pid_t server, pid_t postmaster);
  // Since construction.
  CpuUse Read() const;

 private:
  struct Moment {
    std::chrono::steady_clock::time_point at;
    double own = 0;
    double server = 0;
    double postgres = 0;
    double machine = 0;
  };
  Moment Now() const;

  const pid_t server_;
  const pid_t postmaster_;
  const Moment begin_;
};

}  // namespace hnx::bench
