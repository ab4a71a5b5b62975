// Metrics: what Prometheus asks for, read from the database when asked and at most once a second.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "coordinator/store/pg_release_store.h"

namespace hnx::coordinator {

class Metrics {
 public:
  // `listen` HOST:PORT; empty: nothing is served. `store` must outlive the result. kUnavailable:
  // the address cannot be had.
  static Result<std::unique_ptr<Metrics>> Start(const std::string& listen, PgReleaseStore& store);
  ~Metrics();

 private:
  struct Impl;
  explicit Metrics(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::coordinator
