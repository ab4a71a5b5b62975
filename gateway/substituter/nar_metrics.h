// How many NARs, and bytes of them, were given to clients, by where they came from.
#pragma once

#include "http/metrics.h"

namespace hnx::gateway {

struct NarMetrics {
  // `source`: "held", "peers", "fallback" or "none".
  NarMetrics(http::MetricsRegistry& metrics, const char* source)
      : answers(metrics.Counter("hnx_gateway_nar_answers_total",
                                "Requests for NARs, by where their bytes came from",
                                {{"source", source}})),
        bytes(metrics.Counter("hnx_gateway_nar_bytes_total", "Bytes of these answers",
                              {{"source", source}})) {}

  mutable http::MetricCounter answers;
  mutable http::MetricCounter bytes;
};

}  // namespace hnx::gateway
