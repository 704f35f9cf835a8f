// What GET /metrics tells, in Prometheus' text format.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "infer/batch_engine.h"

namespace hew {

// Counts of durations in fixed buckets. Any thread.
class Histogram {
 public:
  void Observe(double seconds);
  void Print(std::string* out, const std::string& name, const std::string& help) const;

 private:
  static constexpr std::array<double, 14> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                     1,     2.5,  5,     10,   30,  60,   300};
  mutable std::mutex mutex_;
  std::array<uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

class ServeMetrics {
 public:
  void CountResponse(int status);
  void SetConnections(std::function<size_t()> connections) { connections_ = std::move(connections); }
  void CountFinish(const std::string& reason);  // of an answer: "stop", "length", "cancelled"

  Histogram first_token, per_token, request;  // seconds
  std::string Print(const BatchCounters& engine, const std::string& model, const std::string& build) const;

 private:
  mutable std::mutex mutex_;
  std::map<int, uint64_t> responses_;
  std::map<std::string, uint64_t> finishes_;
  std::function<size_t()> connections_;
};

}  // namespace hew
