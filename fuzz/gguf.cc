// GGUF: header, configuration, tokenizer, the whole model, adapters.
#include "formats/gguf.h"

#include "formats/raw_bytes.h"
#include "model/adapter_io.h"
#include "model/config_write.h"
#include "model/lora.h"
#include "model/tensors.h"
#include "model_use.h"
#include "mutate.h"
#include "tokenizer_use.h"

namespace hew::fuzz {
namespace {

std::string Words(const char* kind) {
  RawGguf file;
  const auto floats = [](size_t count) {
    std::string out = Raw<uint32_t>(gguf::kF32) + Raw<uint64_t>(count);
    for (size_t i = 0; i < count; ++i) out += Raw(-static_cast<float>(i));
    return out;
  };
  const std::vector<std::string> tokens = {"<unk>",
                                           "<s>",
                                           "</s>",
                                           "\xe2\x96\x81",
                                           "a",
                                           "b",
                                           "ab",
                                           "\xe2\x96\x81"
                                           "a",
                                           "<0x0A>",
                                           "<0xFF>"};
  std::string types = Raw<uint32_t>(gguf::kI32) + Raw<uint64_t>(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) types += Raw(i == 0 ? 2 : i < 3 ? 3 : i < 8 ? 1 : 6);
  file.metadata = {RawEntry("tokenizer.ggml.model", gguf::kString, RawText(kind)),
                   RawEntry("tokenizer.ggml.tokens", gguf::kArray, RawStrings(tokens)),
                   RawEntry("tokenizer.ggml.scores", gguf::kArray, floats(tokens.size())),
                   RawEntry("tokenizer.ggml.token_type", gguf::kArray, types),
                   RawEntry("tokenizer.ggml.merges", gguf::kArray, RawStrings({"a b"})),
                   RawEntry("tokenizer.ggml.pre", gguf::kString, RawText("gpt-2")),
                   RawEntry("tokenizer.ggml.bos_token_id", gguf::kU32, Raw<uint32_t>(1)),
                   RawEntry("tokenizer.ggml.eos_token_id", gguf::kU32, Raw<uint32_t>(2))};
  return file.Build();
}

// The tiny model with all weights alike, and the words above.
std::string WholeModel() {
  GgufMetadata metadata;
  HEW_CHECK(ConfigToGguf(TinyBase().config, &metadata).has_value());
  std::vector<GgufTensorSource> tensors;
  for (const StoredTensor& tensor : TensorsOf(TinyBase().config)) {
    const auto bytes = static_cast<size_t>(ElementCount(tensor.shape)) * 2;
    tensors.push_back({tensor.gguf_name, tensor.matrix() ? DType::kF16 : DType::kF32, tensor.shape,
                       [tensor, bytes](const auto& write) {
                         return write(std::string(tensor.matrix() ? bytes : bytes * 2, '\x2c'));
                       }});
  }
  return BytesWritten("seed.gguf", [&](const auto& path) { return WriteGguf(path, metadata, tensors); });
}

std::vector<std::string> Seeds() {
  const Runtime& rt = PlainRuntime();
  std::vector<std::string> seeds = {Words("llama"), Words("gpt2"), Words("t5")};
  seeds.push_back(WholeModel());
  LoraConfig config;
  config.rank = 2;
  const auto adapter = LoraAdapter::Create(rt, config, TinyBase(), 1);
  seeds.push_back(
      BytesWritten("seed_lora.gguf", [&](const auto& path) { return SaveGgufAdapter(*adapter, TinyBase(), path); }));
  RawGguf blocks;  // every type that is read
  uint64_t offset = 0;
  for (uint32_t type : {0u, 1u, 2u, 3u, 6u, 7u, 8u, 10u, 11u, 12u, 13u, 14u, 30u}) {
    blocks.tensors.push_back(RawTensor("t" + std::to_string(type), {256}, type, offset));
    offset += 1024;
  }
  blocks.data.assign(offset, '\1');
  seeds.push_back(blocks.Build());
  return seeds;
}

void Run(std::string_view bytes) {
  const auto file = GgufFile::Read(MappedFile::Copy(bytes, "f.gguf"));
  if (!Holds(file)) return;
  for (const TensorEntry& tensor : file->tensors()) Touch(tensor.bytes);
  const auto tokenizer = Tokenizer::FromGguf(file->metadata(), "f.gguf");
  if (Holds(tokenizer)) UseTokenizer(**tokenizer);
  (void)Holds(ReadGgufAdapterParts(*file));
  const auto config = ConfigFromGguf(file->metadata(), "f.gguf");
  if (!Holds(config) || config->max_position_embeddings > 4096 || config->rotary_dim > 256)
    return;  // slow, and bounded
  const std::string path = Scratch().Put("f.gguf", bytes);
  if (!Holds(OutlineModel(PlainRuntime(), path))) return;
  const auto model = LoadModel(PlainRuntime(), path);
  if (Holds(model)) UseModel(**model);
}

std::string Mutate(std::string_view bytes, Random& random) { return MutateGguf(bytes, random); }

}  // namespace

const FuzzTarget gguf_target = {"gguf", Seeds, Run, Mutate};

}  // namespace hew::fuzz
