// Logging: spdlog behind one header. Lines go to stderr as text or, for machines, as one JSON
// object a line. Log("worker")->info("stored {}", url). Loggers are made once and cached;
// thread-safe.
#pragma once

#include <memory>
#include <string>

#include <spdlog/logger.h>

namespace hnx {

enum class LogFormat { kText, kJson };

// Called once, before threads start. `level`: trace, debug, info, warning, error, off.
void SetUpLogging(const std::string& level, LogFormat format);

std::shared_ptr<spdlog::logger> Log(const std::string& component);

}  // namespace hnx
