#include "cli/progress.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/terminal.h"
#include "cli/units.h"

namespace hnx::cli {
namespace {

std::string Amount(ProgressUnit unit, std::uint64_t value) {
  return unit == ProgressUnit::kBytes ? FormatBytes(value) : FormatCount(value);
}

std::string Rate(ProgressUnit unit, double per_second) {
  return unit == ProgressUnit::kBytes ? FormatByteRate(per_second)
                                      : fmt::format("{:.0f}/s", per_second);
}

double Share(const ProgressBar& bar) {
  if (bar.total == 0) {
    return 0;
  }
  return std::min(1.0, static_cast<double>(bar.done) / static_cast<double>(bar.total));
}

}  // namespace

ProgressMode ChooseProgressMode(bool json, int fd) {
  if (json) {
    return ProgressMode::kJson;
  }
  return IsTerminal(fd) ? ProgressMode::kBars : ProgressMode::kLines;
}

ProgressDisplay::ProgressDisplay(ProgressMode mode, std::ostream& out,
                                 std::function<std::size_t()> width, const Clock& clock)
    : mode_(mode), out_(out), width_(std::move(width)), clock_(clock) {}

ProgressDisplay::~ProgressDisplay() {
  Finish();
}

void ProgressDisplay::Update(std::vector<ProgressBar> bars) {
  bars_ = std::move(bars);
  const auto now = clock_.Steady();
  for (const ProgressBar& bar : bars_) {
    meters_[bar.label].Add(now, bar.done);
  }
  stale_ = true;
  const std::chrono::milliseconds interval =
      mode_ == ProgressMode::kLines ? std::chrono::milliseconds(kLineInterval) : kRedrawInterval;
  if (mode_ == ProgressMode::kJson || !shown_ || now - shown_at_ >= interval) {
    Show();
  }
}

void ProgressDisplay::Message(std::string_view text) {
  if (mode_ == ProgressMode::kJson) {
    nlohmann::ordered_json line;
    line["message"] = std::string(text);
    out_ << JsonLine(line) << '\n' << std::flush;
    return;
  }
  EraseBars();
  out_ << Printable(text) << '\n' << std::flush;
  if (mode_ == ProgressMode::kBars && shown_) {
    DrawBars();
  }
}

void ProgressDisplay::Finish() {
  if (stale_) {
    Show();
  }
  lines_ = 0;  // what is on the screen stays there
}

void ProgressDisplay::Show() {
  switch (mode_) {
    case ProgressMode::kBars:
      EraseBars();
      DrawBars();
      break;
    case ProgressMode::kLines:
      WriteLine();
      break;
    case ProgressMode::kJson:
      WriteJson();
      break;
  }
  shown_at_ = clock_.Steady();
  shown_ = true;
  stale_ = false;
}

void ProgressDisplay::EraseBars() {
  for (; lines_ > 0; --lines_) {
    out_ << "\x1b[1A\x1b[2K";  // up one line, erase it
  }
}

void ProgressDisplay::DrawBars() {
  constexpr std::size_t kWidthMin = 20;
  // The last column stays empty: some terminals wrap when it is filled.
  const std::size_t width = std::max(width_(), kWidthMin) - 1;
  std::size_t label_width = 0;
  for (const ProgressBar& bar : bars_) {
    label_width = std::max(label_width, DisplayWidth(bar.label));
  }
  for (const ProgressBar& bar : bars_) {
    out_ << DrawBar(bar, width, std::min(label_width, width / 3)) << '\n';
  }
  lines_ = bars_.size();
  out_ << std::flush;
}

std::string ProgressDisplay::DrawBar(const ProgressBar& bar, std::size_t width,
                                     std::size_t label_width) const {
  constexpr std::size_t kBarWidthMin = 8;
  constexpr std::size_t kBarWidthMax = 30;
  std::string label = CutToWidth(Printable(bar.label), label_width);
  label.append(label_width - DisplayWidth(label), ' ');
  const std::string text = Text(bar);
  std::string line = label + " ";
  const std::size_t used = DisplayWidth(line) + 3 + DisplayWidth(text);
  if (bar.total > 0 && used + kBarWidthMin <= width) {
    const std::size_t cells = std::min(width - used, kBarWidthMax);
    const auto filled = static_cast<std::size_t>(Share(bar) * static_cast<double>(cells));
    line += "[" + std::string(filled, '#') + std::string(cells - filled, '.') + "] ";
  }
  return CutToWidth(line + text, width);
}

std::string ProgressDisplay::Text(const ProgressBar& bar) const {
  std::string text = Amount(bar.unit, bar.done);
  if (bar.total > 0) {
    text += fmt::format(" of {} ({:.0f} %)", Amount(bar.unit, bar.total), Share(bar) * 100);
  }
  const RateMeter& meter = meters_.at(bar.label);
  if (const double rate = meter.PerSecond(); rate > 0) {
    text += ", " + Rate(bar.unit, rate);
    const auto left = bar.done < bar.total ? meter.TimeTo(bar.total) : std::nullopt;
    if (left) {
      text += ", " + FormatDuration(*left) + " left";
    }
  }
  if (!bar.note.empty()) {
    text += ", " + Printable(bar.note);
  }
  return text;
}

void ProgressDisplay::WriteLine() {
  std::string line;
  for (const ProgressBar& bar : bars_) {
    line += (line.empty() ? "" : "; ") + Printable(bar.label) + " " + Text(bar);
  }
  out_ << line << '\n' << std::flush;
}

void ProgressDisplay::WriteJson() {
  nlohmann::ordered_json line;
  line["progress"] = nlohmann::ordered_json::array();
  for (const ProgressBar& bar : bars_) {
    const RateMeter& meter = meters_.at(bar.label);
    nlohmann::ordered_json entry{{"label", bar.label},
                                 {"done", bar.done},
                                 {"total", bar.total},
                                 {"unit", bar.unit == ProgressUnit::kBytes ? "bytes" : "count"},
                                 {"per_second", meter.PerSecond()}};
    if (const auto left = meter.TimeTo(bar.total); left && bar.total > 0) {
      entry["seconds_left"] = static_cast<double>(left->count()) / 1e3;
    }
    if (!bar.note.empty()) {
      entry["note"] = bar.note;
    }
    line["progress"].push_back(std::move(entry));
  }
  out_ << JsonLine(line) << '\n' << std::flush;
}

}  // namespace hnx::cli
