#include "http/metrics.h"

#include <fmt/format.h>

#include "base/memory.h"

namespace hew {
namespace {

void Print(std::string* out, const char* name, const char* type, const char* help, double value) {
  *out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

std::string Escaped(const std::string& label) {
  std::string out;
  for (char c : label) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (static_cast<unsigned char>(c) >= ' ') out.push_back(c);
  }
  return out;
}

}  // namespace

void Histogram::Observe(double seconds) {
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  const std::lock_guard lock(mutex_);
  ++counts_[bucket];
  sum_ += seconds;
}

void Histogram::Print(std::string* out, const std::string& name, const std::string& help) const {
  const std::lock_guard lock(mutex_);
  *out += fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  uint64_t total = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    total += counts_[i];
    *out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], total);
  }
  total += counts_.back();
  *out += fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, total, sum_);
}

void ServeMetrics::CountResponse(int status) {
  const std::lock_guard lock(mutex_);
  ++responses_[status];
}

void ServeMetrics::CountFinish(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++finishes_[reason];
}

std::string ServeMetrics::Print(const BatchCounters& engine, const std::string& model, const std::string& build) const {
  std::string out;
  const auto number = [&](const char* name, const char* type, const char* help, auto value) {
    hew::Print(&out, name, type, help, static_cast<double>(value));
  };
  number("hew_num_requests_running", "gauge", "Sequences in the batch.", engine.running);
  number("hew_num_requests_waiting", "gauge", "Sequences waiting for room in the batch.", engine.waiting);
  number("hew_requests_total", "counter", "Sequences taken.", engine.requests);
  number("hew_prompt_tokens_total", "counter", "Prompt tokens, cached ones among them.", engine.prompt_tokens);
  number("hew_cached_prompt_tokens_total", "counter", "Prompt tokens taken from the cache.", engine.cached_tokens);
  number("hew_generation_tokens_total", "counter", "Generated tokens.", engine.generated_tokens);
  number("hew_steps_total", "counter", "Passes through the decoder.", engine.steps);
  number("hew_kv_cache_bytes", "gauge", "Keys and values in memory.", engine.cache_bytes);
  number("process_resident_memory_bytes", "gauge", "Resident memory.", ResidentBytes());
  if (connections_) number("hew_http_connections", "gauge", "Open connections.", connections_());
  {
    const std::lock_guard lock(mutex_);
    out += "# HELP hew_http_responses_total Responses by status.\n# TYPE hew_http_responses_total counter\n";
    for (const auto& [status, count] : responses_)
      out += fmt::format("hew_http_responses_total{{code=\"{}\"}} {}\n", status, count);
    out += "# HELP hew_request_success_total Answers by how they ended.\n# TYPE hew_request_success_total counter\n";
    for (const auto& [reason, count] : finishes_)
      out += fmt::format("hew_request_success_total{{finished_reason=\"{}\"}} {}\n", reason, count);
  }
  first_token.Print(&out, "hew_time_to_first_token_seconds", "From the request to its first token.");
  per_token.Print(&out, "hew_time_per_output_token_seconds", "Between two tokens of an answer.");
  request.Print(&out, "hew_e2e_request_latency_seconds", "From the request to the end of its answer.");
  out += fmt::format(
      "# HELP hew_build_info What serves.\n# TYPE hew_build_info gauge\nhew_build_info{{build=\"{}\",model=\"{}\"}} "
      "1\n",
      Escaped(build), Escaped(model));
  return out;
}

}  // namespace hew
