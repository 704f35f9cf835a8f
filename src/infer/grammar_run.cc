#include "infer/grammar_run.h"

#include <algorithm>

namespace hew {

using Kind = GrammarNode::Kind;

GrammarThreads GrammarRun::Start() {
  GrammarThreads threads;
  Enter(graph_.start, frames_.Number({-1, -1, 0, -1, 0}), &threads);
  return threads;
}

void GrammarRun::Add(GrammarThread thread, GrammarThreads* out) {
  const GrammarNode& node = graph_.at(thread.node);
  const Frame frame = frames_[thread.frame];
  if (node.height > GrammarGraph::kMostDepth - frame.depth) return;  // it could not end any more
  const auto keep = [&] {
    if (std::find(out->begin(), out->end(), thread) == out->end()) out->push_back(thread);
  };
  switch (node.kind) {
    case Kind::kSplit:
      for (int32_t i = node.first; i < node.end; ++i) Enter(graph_.targets[static_cast<size_t>(i)], thread.frame, out);
      return;
    case Kind::kCall: {
      const int32_t names = node.names < 0 ? -1 : name_sets_.Number({-1, -1, node.names});
      return Enter(node.callee, frames_.Number({node.next, thread.frame, 0, names, frame.depth + 1}), out);
    }
    case Kind::kReturn:
      return Enter(frame.back, frame.parent, out);
    case Kind::kNextItem: {
      Frame counted = frame;
      counted.items = std::min(frame.items + 1, node.max);
      return Enter(node.next, frames_.Number(counted), out);
    }
    case Kind::kGuard:
      if (frame.items >= node.min && frame.items <= node.max) Enter(node.next, thread.frame, out);
      return;
    case Kind::kSpace:
      keep();
      return Enter(node.next, thread.frame, out);
    case Kind::kDigits:
      if (thread.count < node.max) keep();
      if (thread.count >= node.min) Enter(node.next, thread.frame, out);
      return;
    case Kind::kString:
      if (node.name && thread.text < 0) thread.text = texts_.Number("");
      return keep();
    case Kind::kByte:
    case Kind::kAccept:
      return keep();
  }
}

void GrammarRun::Step(const GrammarThreads& from, uint8_t byte, GrammarThreads* to) {
  to->clear();
  for (const GrammarThread& thread : from) {
    const GrammarNode& node = graph_.at(thread.node);
    switch (node.kind) {
      case Kind::kByte:
        if (byte >= node.low && byte <= node.high) Enter(node.next, thread.frame, to);
        break;
      case Kind::kSpace:
        if (thread.state == 0 && byte == ' ') Enter(node.next, thread.frame, to);
        if (thread.state == 0 && byte == '\n') Add({thread.node, 1, 0, -1, thread.frame}, to);
        if (thread.state == 1 && (byte == ' ' || byte == '\t') && thread.count < GrammarGraph::kMostIndent) {
          Add({thread.node, 1, thread.count + 1, -1, thread.frame}, to);
        }
        break;
      case Kind::kDigits:
        if (byte >= '0' && byte <= '9') Add({thread.node, 0, thread.count + 1, -1, thread.frame}, to);
        break;
      case Kind::kString:
        StepString(thread, byte, to);
        break;
      default:
        break;
    }
  }
}

void GrammarRun::StepString(const GrammarThread& thread, uint8_t byte, GrammarThreads* to) {
  const GrammarNode& node = graph_.at(thread.node);
  const auto state = static_cast<uint8_t>(thread.state);
  const uint8_t next = table_.machine().Next(state, byte);
  if (next == JsonStringMachine::kImpossible || (node.name && byte == '\\')) return;
  if (next == JsonStringMachine::kClosed) {
    if (MayClose(thread, 0, {})) Enter(node.next, Close(thread, {}), to);
    return;
  }
  GrammarThread on = thread;
  on.state = next;
  if (JsonStringMachine::Begins(state, byte)) {
    if (thread.count >= node.max) return;
    // Without an upper bound nothing is counted beyond the lower one.
    on.count = node.max == GrammarGraph::kUnbounded ? std::min(thread.count + 1, node.min) : thread.count + 1;
  }
  if (node.name) on.text = texts_.Number(texts_[thread.text] + static_cast<char>(byte));
  Add(on, to);
}

bool GrammarRun::MayClose(const GrammarThread& thread, int32_t characters, std::string_view more) const {
  const GrammarNode& node = graph_.at(thread.node);
  const int64_t count = int64_t{thread.count} + characters;
  if (count < node.min || count > node.max) return false;
  return !node.name || !HasName(frames_[thread.frame].names, texts_[thread.text] + std::string(more));
}

int32_t GrammarRun::Close(const GrammarThread& thread, std::string_view more) {
  if (!graph_.at(thread.node).name) return thread.frame;
  Frame frame = frames_[thread.frame];
  const int32_t text = texts_.Number(texts_[thread.text] + std::string(more));
  frame.names = name_sets_.Number({frame.names, text, -1});
  return frames_.Number(frame);
}

bool GrammarRun::HasName(int32_t set, std::string_view name) const {
  for (; set >= 0; set = name_sets_[set].rest) {
    const NameSet& s = name_sets_[set];
    if (s.fixed >= 0) {
      const auto& names = graph_.names[static_cast<size_t>(s.fixed)];
      if (std::find(names.begin(), names.end(), name) != names.end()) return true;
    } else if (texts_[s.text] == name) {
      return true;
    }
  }
  return false;
}

bool GrammarRun::Accepts(const GrammarThreads& threads) const {
  return std::any_of(threads.begin(), threads.end(),
                     [&](const GrammarThread& t) { return graph_.at(t.node).kind == Kind::kAccept; });
}

bool GrammarRun::MayPause(const GrammarThreads& threads) const {
  return std::any_of(threads.begin(), threads.end(), [&](const GrammarThread& t) {
    return graph_.at(t.node).kind != Kind::kString || table_.MayPause(static_cast<uint8_t>(t.state));
  });
}

std::string GrammarRun::Describe(const GrammarThreads& threads) const {
  std::string text;
  const auto put = [&](int32_t value) { text.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto put_text = [&](const std::string& value) {
    put(static_cast<int32_t>(value.size()));
    text += value;
  };
  for (const GrammarThread& t : threads) {
    put(t.node), put(t.state), put(t.count);
    if (t.text >= 0) put_text(texts_[t.text]);
    for (int32_t f = t.frame; f >= 0; f = frames_[f].parent) {
      const Frame& frame = frames_[f];
      put(frame.back), put(frame.items);
      for (int32_t set = frame.names; set >= 0; set = name_sets_[set].rest) {
        put(name_sets_[set].fixed);
        if (name_sets_[set].fixed < 0) put_text(texts_[name_sets_[set].text]);
      }
      put(-2);
    }
    put(-3);
  }
  return text;
}

void GrammarRun::Rewind(const Mark& mark) {
  frames_.Rewind(mark.frames);
  texts_.Rewind(mark.texts);
  name_sets_.Rewind(mark.name_sets);
}

}  // namespace hew
