// ProgressDisplay: several counters on their way to their totals, shown as suits the reader:
//
//   kBars   redrawn in place, at most 10 times a second, for a terminal
//   kLines  a line now and then, for logs
//   kJson   one object a line, for programs
//
// Rates and the time left are computed here. One thread. The stream must outlive the display.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "cli/rate_meter.h"

namespace hnx::cli {

enum class ProgressUnit { kCount, kBytes };

struct ProgressBar {
  std::string label;  // also the identity of the counter
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: not known, no bar and no time left
  ProgressUnit unit = ProgressUnit::kCount;
  std::string note;  // shown behind; text
};

enum class ProgressMode { kBars, kLines, kJson };

// kJson if asked for, else by what `fd` is.
ProgressMode ChooseProgressMode(bool json, int fd);

class ProgressDisplay {
 public:
  // `width` is asked before each redraw.
  ProgressDisplay(ProgressMode mode, std::ostream& out, std::function<std::size_t()> width,
                  const Clock& clock = Clock::Real());
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  // The present state; shown now or, when the last redraw was a moment ago, with a later call.
  void Update(std::vector<ProgressBar> bars);
  // A line that stays, above the bars.
  void Message(std::string_view text);
  // Shows the last state for good. Idempotent; Update may follow.
  void Finish();

  static constexpr std::chrono::milliseconds kRedrawInterval{100};
  static constexpr std::chrono::seconds kLineInterval{10};

 private:
  void Show();
  void DrawBars();
  void EraseBars();
  void WriteLine();
  void WriteJson();
  std::string Text(const ProgressBar& bar) const;
  std::string DrawBar(const ProgressBar& bar, std::size_t width, std::size_t label_width) const;

  const ProgressMode mode_;
  std::ostream& out_;
  const std::function<std::size_t()> width_;
  const Clock& clock_;
  std::vector<ProgressBar> bars_;
  std::map<std::string, RateMeter> meters_;
  Clock::SteadyTime shown_at_{};
  bool shown_ = false;     // anything at all
  bool stale_ = false;     // bars_ is newer than what is shown
  std::size_t lines_ = 0;  // of bars on the screen below the last message
};

}  // namespace hnx::cli
