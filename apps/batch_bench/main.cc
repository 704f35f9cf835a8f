// batch_bench MODEL: tokens per second of a BatchEngine, for several streams and adapters at once. A tool for
// developers.
#include <fmt/format.h>
#include <time.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "base/random.h"
#include "infer/batch_engine.h"

namespace hew {
namespace {

double Now(bool alone) {
  timespec t;
  clock_gettime(alone ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

class Waiter : public BatchListener {
 public:
  void OnText(std::string_view, const std::vector<TokenChoice>&) override {}
  void OnDone(const GenerateResult& result) override {
    const std::lock_guard lock(mutex_);
    tokens_ = static_cast<int64_t>(result.ids.size());
    done_.notify_all();
  }
  void OnError(const Error& error) override { fmt::print(stderr, "{}\n", error.message), std::abort(); }
  int64_t Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return tokens_ >= 0; });
    return tokens_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  int64_t tokens_ = -1;
};

// An adapter of all linear layers whose B is not zero.
std::shared_ptr<const LoraAdapter> MakeAdapter(const Runtime& rt, const Model& model, uint64_t seed) {
  LoraConfig config;
  config.rank = 16;
  auto adapter = std::make_shared<LoraAdapter>(*LoraAdapter::Create(rt, config, model, seed));
  Random random{seed, 1, 0};
  for (const LoraModule& m : adapter->modules) {
    for (int64_t i = 0; i < m.out * m.rank; ++i)
      adapter->parameters[m.b_offset + static_cast<size_t>(i)] = 0.001f * random.Normal();
  }
  adapter->Pack(rt, model);
  return adapter;
}

// Tokens of all streams per second; each says `length` tokens after a prompt of 32, whatever they are.
double Rate(const Engine& engine, size_t streams, const std::vector<std::shared_ptr<const LoraAdapter>>& adapters,
            int64_t length) {
  BatchSettings settings;
  settings.max_sequences = static_cast<int64_t>(streams);
  BatchEngine batch(engine, settings);
  std::vector<BatchRequest> requests(streams);
  std::vector<std::shared_ptr<Waiter>> waiters;
  Random random{7, 7, 0};
  for (size_t i = 0; i < streams; ++i) {
    BatchRequest& request = requests[i];
    for (int k = 0; k < 32; ++k)
      request.generate.prompt.push_back(
          static_cast<int32_t>(random.Below(static_cast<uint64_t>(engine.model->config.vocab_size))));
    request.generate.max_tokens = length;
    request.generate.sampling.temperature = 0;
    request.generate.lookup = false;
    for (const int32_t end : engine.tokenizer->end_ids()) request.logit_bias[end] = -1000;
    if (!adapters.empty()) {
      request.adapters = {adapters[i % adapters.size()]};
      request.adapter_key = fmt::format("{}", i % adapters.size());
    }
  }
  const bool alone = engine.rt.pool->threads() == 1;
  const double start = Now(alone);
  for (BatchRequest& request : requests) {
    waiters.push_back(std::make_shared<Waiter>());
    if (!batch.Submit(std::move(request), waiters.back())) std::abort();
  }
  int64_t tokens = 0;
  for (const auto& waiter : waiters) tokens += waiter->Wait();
  return static_cast<double>(tokens) / (Now(alone) - start);
}

int Main(const std::string& path, int threads, size_t only) {
  const ThreadPool pool(threads);
  const Runtime rt = {&pool, BestIsa(), Precision::kDefault};
  const auto model = LoadModel(rt, path);
  if (!model) return fmt::print(stderr, "{}\n", model.error().message), 2;
  const auto tokenizer = Tokenizer::Open(path);
  if (!tokenizer) return fmt::print(stderr, "{}\n", tokenizer.error().message), 2;
  const Engine engine = {rt, model->get(), tokenizer->get(), {}, 2048};
  std::vector<std::shared_ptr<const LoraAdapter>> adapters;
  for (uint64_t i = 0; i < 20; ++i) adapters.push_back(MakeAdapter(rt, **model, i));
  const std::vector<std::shared_ptr<const LoraAdapter>> none, one(adapters.begin(), adapters.begin() + 1);
  for (const size_t streams : {size_t{1}, size_t{4}, size_t{8}, size_t{16}, size_t{32}}) {
    if (only > 0 && streams != only) continue;
    double best[3] = {};
    for (int round = 0; round < 3; ++round) {
      best[0] = std::max(best[0], Rate(engine, streams, none, 96));
      best[1] = std::max(best[1], Rate(engine, streams, one, 96));
      best[2] = std::max(best[2], Rate(engine, streams, adapters, 96));
    }
    fmt::print("{:2} streams: base {:6.1f} tok/s, one adapter {:6.1f}, 20 adapters {:6.1f}\n", streams, best[0],
               best[1], best[2]);
  }
  return 0;
}

}  // namespace
}  // namespace hew

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) return fmt::print(stderr, "batch_bench MODEL [threads] [streams]\n"), 2;
  return hew::Main(argv[1], argc > 2 ? std::atoi(argv[2]) : hew::HardwareThreads(),
                   argc > 3 ? static_cast<size_t>(std::atoi(argv[3])) : 0);
}
