// The tiny model whose files are seeds, and what is done with a model that a file gave.
#pragma once

#include "base/file.h"
#include "model/decoder.h"
#include "model/save.h"
#include "scratch.h"
#include "target.h"

namespace hew::fuzz {

inline const Runtime& PlainRuntime() {
  static const ThreadPool pool(1);
  static const Runtime rt{&pool, Isa::kScalar, Precision::kFp32};
  return rt;
}

inline const Model& TinyBase() {
  static const auto model = LoadModel(PlainRuntime(), HEW_SOURCE_DIR "/tests/golden/tiny_llama");
  HEW_CHECK(model.has_value());
  return **model;
}

// The bytes that `write` puts at a path.
template <typename Write>
std::string BytesWritten(const std::string& name, const Write& write) {
  const std::string path = Scratch().Path(name);
  HEW_CHECK(write(path).has_value());
  return Scratch().Get(name);
}

// Three tokens through a model, where it is small enough to be quick.
inline void UseModel(const Model& model) {
  const ModelConfig& c = model.config;
  if (c.vocab_size * c.hidden_size > (1 << 20) || c.vocab_size < 3) return;
  const std::vector<int32_t> ids = {0, 1, 2};
  KvCache cache(PlainRuntime(), c, 3);
  const SequenceRows rows{ids, &cache};
  const Matrix hidden = DecoderForward(PlainRuntime(), model, {}, {&rows, 1});
  Matrix logits(DType::kF32, 3, c.vocab_size);
  ComputeLogits(PlainRuntime(), model, hidden.view(), logits.view());
}

}  // namespace hew::fuzz
