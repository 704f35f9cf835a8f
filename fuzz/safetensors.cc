// safetensors: one file's header and its ranges, and the list of shards beside it.
#include "formats/safetensors.h"

#include "mutate.h"
#include "scratch.h"
#include "target.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {
    "dtype",      "shape",    "data_offsets",     "__metadata__",      "F32", "F16", "BF16", "F64", "BOOL", "I8", "U64",
    "weight_map", "metadata", "../a.safetensors", "model.safetensors", "\n"};

std::string File(const std::string& header, size_t data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + std::string(data, '\1');
}

std::vector<std::string> Seeds() {
  const std::string one = R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]})";
  const std::string two =
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"U8","shape":[0],"data_offsets":[32,32]})";
  return {Joined(File("{" + one + "}", 24), ""),
          Joined(File("{\"__metadata__\":{\"format\":\"pt\"}," + one + "," + two + "}", 32), ""),
          Joined(File("{}", 0), R"({"metadata":{"total_size":24},"weight_map":{"a":"model.safetensors"}})")};
}

void Run(std::string_view bytes) {
  const auto [weights, index] = Parted(bytes);
  const auto file = SafetensorsFile::Read(MappedFile::Copy(weights, "f.safetensors"));
  if (Holds(file)) {
    for (const TensorEntry& tensor : file->tensors()) Touch(tensor.bytes);
  }
  if (index.empty()) return;
  static const TestFolder folder;
  folder.Put("a.safetensors", weights);
  folder.Put("model.safetensors.index.json", index);
  const auto shards = SafetensorsFolder::Open(folder.path());
  if (!Holds(shards)) return;
  for (const TensorEntry* tensor : shards->tensors()) Touch(tensor->bytes);
}

std::string Mutate(std::string_view bytes, Random& random) {
  const auto [weights, index] = Parted(bytes);
  if (random.Below(4) == 0) return Joined(weights, MutateJson(index, kWords, random));
  return Joined(MutateSafetensors(weights, kWords, random), index);
}

}  // namespace

const FuzzTarget safetensors_target = {"safetensors", Seeds, Run, Mutate};

}  // namespace hew::fuzz
