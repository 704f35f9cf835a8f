#include "infer/batch_engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "infer/batch_sequence.h"
#include "infer/batch_step.h"
#include "infer/prompt_cache.h"

namespace hew {
namespace {

// Sharing fewer tokens than this is not worth a copy.
constexpr size_t kWorthCopying = 16;
// Requests that may wait for another's beginning before those behind them have to wait, too.
constexpr size_t kMostPassed = 32;

Status CheckBatchRequest(const Engine& engine, const BatchRequest& request) {
  HEW_RETURN_IF_ERROR(CheckRequest(engine, request.generate));
  const int64_t vocab = engine.model->config.vocab_size;
  for (const auto& [id, bias] : request.logit_bias) {
    if (id < 0 || id >= vocab) return BadInput("logit_bias: expected token ids below {}, found {}", vocab, id);
    if (!std::isfinite(bias)) return BadInput("logit_bias: expected finite numbers, found {}", bias);
  }
  if (request.top_logprobs < -1 || request.top_logprobs > vocab) {
    return BadInput("top_logprobs: expected a number from 0 to {}, found {}", vocab, request.top_logprobs);
  }
  return {};
}

}  // namespace

// `mutex_` guards what both sides touch; everything else belongs to the engine's thread.
class BatchEngine::Impl {
 public:
  Impl(Engine engine, BatchSettings settings) : engine_(std::move(engine)), settings_(settings) {
    HEW_CHECK(engine_.adapters.empty() && settings_.max_sequences > 0 && settings_.prompt_slice > 0);
    // What one sequence may hold is bounded by the memory, too.
    const size_t token = KvCache::BytesPerToken(engine_.rt, engine_.model->config);
    const auto fitting = static_cast<int64_t>(std::max<size_t>(1, settings_.cache_bytes / token));
    engine_.context_size = std::min(engine_.context_size, fitting);
    thread_ = std::thread([this] { Work(); });
  }

  ~Impl() {
    Stop(0);
    {
      const std::lock_guard lock(mutex_);
      quit_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  Result<uint64_t> Submit(BatchRequest request, std::shared_ptr<BatchListener> listener) {
    HEW_CHECK(listener != nullptr);
    HEW_RETURN_IF_ERROR(CheckBatchRequest(engine_, request));
    const std::lock_guard lock(mutex_);
    if (stopping_) return EnvironmentError("this server is stopping: it takes no more requests");
    if (static_cast<int64_t>(waiting_.size()) >= settings_.max_queue) {
      return EnvironmentError("the queue is full: {} requests are waiting", waiting_.size());
    }
    const uint64_t number = ++last_number_;
    waiting_.push_back(std::make_shared<BatchSequence>(engine_, std::move(request), std::move(listener), number));
    known_.push_back(waiting_.back());
    ++counters_.requests;
    wake_.notify_all();
    return number;
  }

  void Cancel(uint64_t number) {
    const std::lock_guard lock(mutex_);
    for (const auto& sequence : known_) {
      if (sequence->number() == number) sequence->cancelled = true;
    }
    wake_.notify_all();
  }

  void Stop(double grace_seconds) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    const auto idle = [&] { return known_.empty(); };
    if (grace_seconds > 0) idle_.wait_for(lock, std::chrono::duration<double>(grace_seconds), idle);
    for (const auto& sequence : known_) sequence->cancelled = true;
    wake_.notify_all();
    idle_.wait(lock, idle);
  }

  void RunExclusive(const std::function<void(const Engine&)>& work) {
    struct {
      bool done = false;
    } state;
    std::unique_lock lock(mutex_);
    tasks_.push_back([&] {
      work(engine_);
      const std::lock_guard done_lock(mutex_);
      state.done = true;
      task_done_.notify_all();
    });
    wake_.notify_all();
    task_done_.wait(lock, [&] { return state.done; });
  }

  BatchCounters counters() const {
    const std::lock_guard lock(mutex_);
    BatchCounters counters = counters_;
    counters.waiting = static_cast<int64_t>(known_.size()) - counters.running;
    return counters;
  }

  const Engine& engine() const { return engine_; }
  int64_t prompt_slice() const { return settings_.prompt_slice; }

 private:
  using Sequence = std::shared_ptr<BatchSequence>;

  void Work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return quit_ || !tasks_.empty() || !known_.empty(); });
        if (quit_ && tasks_.empty() && known_.empty()) return;
        if (!tasks_.empty()) {
          task = std::move(tasks_.front());
          tasks_.pop_front();
        }
      }
      if (task) task();  // one between two steps: answers go on
      EndCancelled();
      Admit();
      if (running_.empty()) continue;
      MakeRoom();
      Count(RunBatchStep(engine_, running_, settings_.prompt_slice));
      EndFinished();
    }
  }

  void EndCancelled() {
    std::vector<Sequence> ended;
    const auto take = [&](auto& list) {
      for (auto at = list.begin(); at != list.end();) {
        if ((*at)->cancelled) {
          ended.push_back(std::move(*at));
          at = list.erase(at);
        } else {
          ++at;
        }
      }
    };
    take(running_);
    {
      const std::lock_guard lock(mutex_);
      take(waiting_);
    }
    for (const Sequence& sequence : ended) {
      sequence->EndCancelled();
      Forget(sequence);
    }
  }

  void EndFinished() {
    for (auto at = running_.begin(); at != running_.end();) {
      if (!(*at)->done()) {
        ++at;
        continue;
      }
      Forget(*at);
      at = running_.erase(at);
    }
  }

  // After its end: its keys and values may serve others.
  void Forget(const Sequence& sequence) {
    if (sequence->cache) Remember(*sequence);
    const std::lock_guard lock(mutex_);
    std::erase(known_, sequence);
    counters_.running = static_cast<int64_t>(running_.size());
    counters_.cache_bytes = UsedBytes() + remembered_.bytes();
    if (known_.empty()) idle_.notify_all();
  }

  void Remember(BatchSequence& sequence) {
    const auto held = sequence.history().first(static_cast<size_t>(sequence.cache->length()));
    remembered_.Put({sequence.request().adapter_key, {held.begin(), held.end()}, std::move(sequence.cache)});
    Shrink(0);
  }

  size_t UsedBytes() const {
    size_t sum = 0;
    for (const Sequence& s : running_) sum += s->cache ? s->cache->bytes() : 0;
    return sum;
  }

  // Forgets enough for `more` bytes; false where running sequences alone leave no room for them.
  bool Shrink(size_t more) {
    const size_t used = UsedBytes() + more;
    remembered_.Shrink(used < settings_.cache_bytes ? settings_.cache_bytes - used : 0);
    return used <= settings_.cache_bytes;
  }

  size_t BytesOf(int64_t tokens) const {
    return KvCache::BytesPerToken(engine_.rt, engine_.model->config) * static_cast<size_t>(tokens);
  }

  // Takes up waiting requests while there is room, in order; but one whose beginning another is just computing waits
  // for it.
  void Admit() {
    std::vector<Sequence> passed;
    while (static_cast<int64_t>(running_.size()) < settings_.max_sequences && passed.size() < kMostPassed) {
      Sequence next;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) break;
        next = waiting_.front();
        waiting_.pop_front();
      }
      const int64_t capacity = next->CapacityFor(next->pending());
      if (!running_.empty() && UsedBytes() + BytesOf(capacity) > settings_.cache_bytes) {
        passed.push_back(std::move(next));
        break;
      }
      if (OthersComputeItsBeginning(*next)) {
        passed.push_back(std::move(next));
        continue;
      }
      Attach(*next, capacity);
      running_.push_back(std::move(next));
    }
    const std::lock_guard lock(mutex_);
    waiting_.insert(waiting_.begin(), passed.begin(), passed.end());
    counters_.running = static_cast<int64_t>(running_.size());
  }

  // How many tokens of its history need not be run, if it had a cache of these ids: the last one always is, for its
  // logits.
  static size_t Usable(const BatchSequence& sequence, IdSpan ids) {
    if (sequence.request().prompt_logprobs) return 0;  // the logits of all rows are asked
    return std::min(CommonPrefix(ids, sequence.history()), sequence.history().size() - 1);
  }

  bool OthersComputeItsBeginning(const BatchSequence& sequence) {
    size_t now = 0, soon = 0;
    if (const auto* entry = remembered_.Find(sequence.request().adapter_key, sequence.history()))
      now = Usable(sequence, entry->ids);
    for (const Sequence& other : running_) {
      if (other->request().adapter_key != sequence.request().adapter_key || !other->cache) continue;
      const size_t usable = Usable(sequence, other->history()), held = static_cast<size_t>(other->cache->length());
      now = std::max(now, std::min(usable, held));
      soon = std::max(soon, usable);
    }
    return soon >= now + 2 * kWorthCopying;
  }

  // Gives it a cache, with what is known of its beginning under its own adapters.
  void Attach(BatchSequence& sequence, int64_t capacity) {
    const std::string& key = sequence.request().adapter_key;
    PromptCache::Entry* entry = remembered_.Find(key, sequence.history());
    size_t common = entry ? Usable(sequence, entry->ids) : 0;
    if (entry && common + 1 >= entry->ids.size() && common > 0) {  // it goes on where that one ended
      sequence.cache = remembered_.Take(entry);
    } else {
      KvCache* from = entry ? entry->cache.get() : nullptr;
      for (const Sequence& other : running_) {
        if (other->request().adapter_key != key || !other->cache) continue;
        const auto held = other->history().first(static_cast<size_t>(other->cache->length()));
        const size_t usable = Usable(sequence, held);
        if (usable > common) common = usable, from = other->cache.get();
      }
      if (common < kWorthCopying) common = 0;
      sequence.cache = std::make_unique<KvCache>(engine_.rt, engine_.model->config, capacity, engine_.context_size);
      if (common > 0) CopyPrefix(*engine_.model, *from, static_cast<int64_t>(common), sequence.cache.get());
    }
    sequence.cache->Truncate(static_cast<int64_t>(common));
    sequence.Cached(static_cast<int64_t>(common));
    const std::lock_guard lock(mutex_);
    counters_.cached_tokens += common;
  }

  // Room in every cache for the next step. Where memory ends, the request that came last gives up its cache and waits;
  // what it has said stays, and is run again later. The first always goes on.
  void MakeRoom() {
    for (size_t i = 0; i < running_.size(); ++i) {
      BatchSequence& sequence = *running_[i];
      const int64_t capacity =
          sequence.CapacityFor(std::min(sequence.pending(), MostRowsOfAStep(settings_.prompt_slice)));
      if (capacity <= sequence.cache->capacity()) continue;
      const size_t more = BytesOf(capacity - sequence.cache->capacity());
      while (!Shrink(more) && running_.size() > i + 1) Suspend();
      if (!Shrink(more) && i > 0) {
        Suspend();  // itself
        break;
      }
      sequence.cache->Reserve(capacity);
    }
    Shrink(0);
  }

  void Suspend() {
    Sequence last = std::move(running_.back());
    running_.pop_back();
    last->cache.reset();
    const std::lock_guard lock(mutex_);
    waiting_.push_front(std::move(last));
  }

  void Count(const BatchStepCounts& step) {
    const std::lock_guard lock(mutex_);
    ++counters_.steps;
    counters_.prompt_tokens += static_cast<uint64_t>(step.prompt_tokens);
    counters_.generated_tokens += static_cast<uint64_t>(step.generated_tokens);
    counters_.running = static_cast<int64_t>(running_.size());
    counters_.cache_bytes = UsedBytes() + remembered_.bytes();
  }

  Engine engine_;
  const BatchSettings settings_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_, task_done_;
  std::deque<Sequence> waiting_;
  std::vector<Sequence> known_;  // waiting and running
  std::deque<std::function<void()>> tasks_;
  BatchCounters counters_;
  uint64_t last_number_ = 0;
  bool stopping_ = false, quit_ = false;

  std::vector<Sequence> running_;  // in the order in which they were taken up
  PromptCache remembered_;
  std::thread thread_;
};

BatchEngine::BatchEngine(Engine engine, BatchSettings settings)
    : impl_(std::make_unique<Impl>(std::move(engine), settings)) {}
BatchEngine::~BatchEngine() = default;

Result<uint64_t> BatchEngine::Submit(BatchRequest request, std::shared_ptr<BatchListener> listener) {
  return impl_->Submit(std::move(request), std::move(listener));
}
void BatchEngine::Cancel(uint64_t request) { impl_->Cancel(request); }
void BatchEngine::Stop(double grace_seconds) { impl_->Stop(grace_seconds); }
void BatchEngine::RunExclusive(const std::function<void(const Engine&)>& work) { impl_->RunExclusive(work); }
BatchCounters BatchEngine::counters() const { return impl_->counters(); }
int64_t BatchEngine::context_size() const { return impl_->engine().context_size; }

Result<std::vector<std::vector<float>>> BatchEngine::Embed(const std::vector<std::vector<int32_t>>& texts) {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (auto good = CheckPrompt(impl_->engine(), texts[i]); !good)
      return Annotate(fmt::format("text {}", i + 1), std::move(good).error());
  }
  std::vector<std::vector<float>> rows;
  for (const auto& text : texts) {
    Embedding embedding(impl_->engine(), text);
    while (!embedding.done())
      RunExclusive([&](const Engine& engine) { embedding.Continue(engine, impl_->prompt_slice()); });
    rows.push_back(embedding.Take());
  }
  return rows;
}

}  // namespace hew
