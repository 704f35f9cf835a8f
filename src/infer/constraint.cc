#include "infer/constraint.h"

#include <limits>
#include <mutex>
#include <unordered_map>

#include "base/check.h"
#include "infer/grammar_run.h"
#include "infer/json_grammar.h"

namespace hew {
namespace {

constexpr size_t kMaskBytes = size_t{16} << 20;  // of remembered masks, for each grammar

// Masks of states that were met before, for all answers of a grammar.
class MaskCache {
 public:
  std::shared_ptr<const TokenSet> Find(const std::string& state) const {
    const std::lock_guard lock(mutex_);
    const auto at = masks_.find(state);
    return at == masks_.end() ? nullptr : at->second;
  }
  void Put(const std::string& state, std::shared_ptr<const TokenSet> mask) {
    const std::lock_guard lock(mutex_);
    const size_t bytes = mask->words().size() * sizeof(uint64_t) + state.size();
    if (bytes_ + bytes > kMaskBytes) masks_.clear(), bytes_ = 0;
    if (masks_.emplace(state, std::move(mask)).second) bytes_ += bytes;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const TokenSet>> masks_;
  size_t bytes_ = 0;
};

class JsonConstraint : public TokenConstraint {
 public:
  JsonConstraint(std::shared_ptr<const GrammarGraph> graph, std::shared_ptr<const TokenTable> table,
                 std::shared_ptr<MaskCache> cache)
      : graph_(std::move(graph)),
        table_(std::move(table)),
        cache_(std::move(cache)),
        run_(*graph_, *table_),
        threads_(run_.Start()) {}

  void Mask(std::span<float> logits) override {
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    const std::shared_ptr<const TokenSet> mask = Allowed();
    size_t at = 0;
    for (const uint64_t word : mask->words()) {
      const size_t end = std::min(logits.size(), at + 64);
      if (word == 0) {
        std::fill(logits.begin() + static_cast<std::ptrdiff_t>(at), logits.begin() + static_cast<std::ptrdiff_t>(end),
                  kNever);
      } else if (word != ~uint64_t{0}) {
        for (size_t i = at; i < end; ++i) {
          if (!(word >> (i - at) & 1)) logits[i] = kNever;
        }
      }
      at = end;
    }
    for (; at < logits.size(); ++at) logits[at] = kNever;  // rows of the model without a token
  }

  void Take(int32_t id) override {
    const auto& ends = table_->end_ids();
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) {
      HEW_CHECK(run_.Accepts(threads_));
      return;
    }
    GrammarThreads next;
    for (const char byte : table_->bytes(id)) {
      run_.Step(threads_, static_cast<uint8_t>(byte), &next);
      threads_.swap(next);
    }
    HEW_CHECK(!threads_.empty());
  }

 private:
  const GrammarNode& NodeOf(const GrammarThread& t) const { return graph_->at(t.node); }

  std::shared_ptr<const TokenSet> Allowed() {
    // A bounded string or a name is never in the same state again.
    bool again = true;
    for (const GrammarThread& t : threads_) {
      again = again && (NodeOf(t).kind != GrammarNode::Kind::kString ||
                        (!NodeOf(t).name && NodeOf(t).max == GrammarGraph::kUnbounded));
    }
    const std::string state = again ? run_.Describe(threads_) : std::string();
    if (again) {
      if (auto known = cache_->Find(state)) return known;
    }
    auto mask = std::make_shared<TokenSet>(table_->size());
    const GrammarRun::Mark mark = run_.mark();
    GrammarThreads others;
    for (const GrammarThread& t : threads_) {
      if (NodeOf(t).kind == GrammarNode::Kind::kString) {
        AddString(t, mask.get());
      } else {
        others.push_back(t);
      }
    }
    AddWalk(others, mask.get());
    if (run_.Accepts(threads_)) {
      for (const int32_t id : table_->end_ids()) mask->Add(id);
    }
    run_.Rewind(mark);
    if (again) cache_->Put(state, mask);
    return mask;
  }

  // Within a string most tokens stay in it, whatever follows: only those that close it are tried out.
  void AddString(const GrammarThread& t, TokenSet* mask) {
    const GrammarNode& node = NodeOf(t);
    const StringTokens& tokens = table_->InString(static_cast<uint8_t>(t.state), !node.name);
    const int64_t left = int64_t{node.max} - t.count;
    TokenSet inside = tokens.inside;
    for (const StringTokens::Inside& token : tokens.longest_first) {
      if (token.characters <= left) break;
      inside.Remove(token.id);
    }
    mask->AddAll(inside);
    std::vector<int8_t> known(tokens.suffixes.size(), -1);
    for (const StringTokens::Exit& exit : tokens.exits) {
      const auto before =
          node.name ? std::string_view(table_->bytes(exit.id)).substr(0, exit.quote) : std::string_view();
      if (!run_.MayClose(t, exit.characters, before)) continue;
      const std::string& suffix = tokens.suffixes[static_cast<size_t>(exit.suffix)];
      int8_t& good = known[static_cast<size_t>(exit.suffix)];
      // Which name was closed matters to what follows only where another name may follow.
      const bool depends = node.name && suffix.find(',') != std::string::npos;
      if (depends || good < 0) good = Fits(node.next, run_.Close(t, before), suffix);
      if (good) mask->Add(exit.id);
    }
  }

  bool Fits(NodeId node, int32_t frame, const std::string& bytes) {
    GrammarThreads now, next;
    run_.Enter(node, frame, &now);
    for (const char byte : bytes) {
      run_.Step(now, static_cast<uint8_t>(byte), &next);
      now.swap(next);
    }
    return !now.empty() && run_.MayPause(now);
  }

  // All tokens in the order of their bytes: what two begin with is tried once, and what fails is not tried again.
  void AddWalk(const GrammarThreads& from, TokenSet* mask) {
    if (from.empty()) return;
    if (path_.empty()) path_.resize(table_->longest() + 1);
    for (int byte = 0; byte < 256; ++byte) {
      size_t at = table_->first(byte);
      const size_t end = table_->first(byte + 1);
      if (at == end) continue;
      run_.Step(from, static_cast<uint8_t>(byte), &path_[1]);
      if (path_[1].empty()) continue;
      size_t whole = 1;     // bytes of the path that are good
      bool failed = false;  // at byte `whole`
      size_t same = 1;      // bytes that the token has in common with the path
      for (size_t first = at; at < end; ++at) {
        if (at > first) same = std::min<size_t>(same, table_->common(at));
        if (failed && same > whole) continue;
        const std::string& token = table_->bytes(table_->sorted()[at]);
        whole = std::min(whole, same);
        failed = false;
        for (; whole < token.size(); ++whole) {
          run_.Step(path_[whole], static_cast<uint8_t>(token[whole]), &path_[whole + 1]);
          if ((failed = path_[whole + 1].empty())) break;
        }
        same = std::numeric_limits<size_t>::max();
        if (!failed && run_.MayPause(path_[token.size()])) mask->Add(table_->sorted()[at]);
      }
    }
  }

  std::shared_ptr<const GrammarGraph> graph_;
  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<MaskCache> cache_;
  GrammarRun run_;
  GrammarThreads threads_;
  std::vector<GrammarThreads> path_;  // after each byte of a token
};

class CompiledGrammar : public Grammar {
 public:
  CompiledGrammar(GrammarGraph graph, std::shared_ptr<const TokenTable> table)
      : graph_(std::make_shared<GrammarGraph>(std::move(graph))), table_(std::move(table)) {}
  std::unique_ptr<TokenConstraint> Begin() const override {
    return std::make_unique<JsonConstraint>(graph_, table_, cache_);
  }

 private:
  std::shared_ptr<const GrammarGraph> graph_;
  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<MaskCache> cache_ = std::make_shared<MaskCache>();
};

}  // namespace

std::shared_ptr<const TokenTable> MakeTokenTable(const Tokenizer& tokenizer) {
  return std::make_shared<TokenTable>(tokenizer);
}

Result<std::shared_ptr<const Grammar>> JsonGrammar(const Json& schema, std::shared_ptr<const TokenTable> table) {
  HEW_ASSIGN(GrammarGraph graph, CompileJsonSchema(schema, *table));
  return std::make_shared<CompiledGrammar>(std::move(graph), std::move(table));
}

Result<std::shared_ptr<const Grammar>> JsonGrammar(const Json& schema, const Tokenizer& tokenizer) {
  return JsonGrammar(schema, MakeTokenTable(tokenizer));
}

}  // namespace hew
