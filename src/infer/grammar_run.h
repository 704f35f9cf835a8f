// Where an answer stands in a grammar: all ways in which what has been said can be read, byte by byte.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "infer/grammar_graph.h"
#include "infer/token_table.h"

namespace hew {

// One way: a node, how far it is through, and the call it is in.
struct GrammarThread {
  NodeId node = 0;
  int32_t state = 0;  // kString: of the string machine; kSpace: 1 after a new line
  int32_t count = 0;  // kString: characters; kSpace: of indentation; kDigits: digits
  int32_t text = -1;  // kString of a name: what it says so far
  int32_t frame = -1;

  bool operator==(const GrammarThread&) const = default;
};
using GrammarThreads = std::vector<GrammarThread>;

class GrammarRun {
 public:
  GrammarRun(const GrammarGraph& graph, const TokenTable& table) : graph_(graph), table_(table) {}

  GrammarThreads Start();
  // All ways on from `node` in the call `frame` that stand before a byte.
  void Enter(NodeId node, int32_t frame, GrammarThreads* out) { Add({node, 0, 0, -1, frame}, out); }
  void Step(const GrammarThreads& from, uint8_t byte, GrammarThreads* to);
  bool Accepts(const GrammarThreads& threads) const;
  // Whether a token may end here: not within a character whose rest the vocabulary cannot say.
  bool MayPause(const GrammarThreads& threads) const;

  // Whether the string may be closed `characters` further on, whose bytes are `more`: it is long enough, and if it is a
  // name, none that was there before.
  bool MayClose(const GrammarThread& thread, int32_t characters, std::string_view more) const;
  // The call it leaves behind, ready for what follows.
  int32_t Close(const GrammarThread& thread, std::string_view more);

  // Everything that what follows depends on, as bytes: the same for the same continuations.
  std::string Describe(const GrammarThreads& threads) const;

  // What trying out tokens has stored can be dropped.
  struct Mark {
    size_t frames, texts, name_sets;
  };
  Mark mark() const { return {frames_.size(), texts_.size(), name_sets_.size()}; }
  void Rewind(const Mark& mark);

 private:
  struct Frame {
    NodeId back;
    int32_t parent, items, names, depth;  // names: in name_sets_, or -1
    bool operator==(const Frame&) const = default;
  };
  struct NameSet {
    int32_t rest, text, fixed;  // a name and others; or the names of graph.names[fixed]
    bool operator==(const NameSet&) const = default;
  };
  struct Hash {
    size_t operator()(const Frame& f) const { return Mix(Mix(Mix(Mix(f.back, f.parent), f.items), f.names), f.depth); }
    size_t operator()(const NameSet& n) const { return Mix(Mix(n.rest, n.text), n.fixed); }
    static size_t Mix(int64_t seed, int64_t value) {
      return static_cast<size_t>((seed * 0x9E3779B97F4A7C15) ^ (value + (seed >> 29)));
    }
  };
  // Values by number, none twice.
  template <typename T, typename H>
  class Store {
   public:
    int32_t Number(const T& value) {
      const auto [at, added] = numbers_.emplace(value, static_cast<int32_t>(values_.size()));
      if (added) values_.push_back(value);
      return at->second;
    }
    const T& operator[](int32_t number) const { return values_[static_cast<size_t>(number)]; }
    size_t size() const { return values_.size(); }
    void Rewind(size_t size) {
      for (; values_.size() > size; values_.pop_back()) numbers_.erase(values_.back());
    }

   private:
    std::vector<T> values_;
    std::unordered_map<T, int32_t, H> numbers_;
  };

  void Add(GrammarThread thread, GrammarThreads* out);
  void StepString(const GrammarThread& thread, uint8_t byte, GrammarThreads* to);
  bool HasName(int32_t name_set, std::string_view name) const;

  const GrammarGraph& graph_;
  const TokenTable& table_;
  Store<Frame, Hash> frames_;
  Store<std::string, std::hash<std::string>> texts_;
  Store<NameSet, Hash> name_sets_;
};

}  // namespace hew
