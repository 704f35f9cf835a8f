// Training rows: JSON Lines, arrays, text, gzip; every format; test suites, which are rows, too.
#include <zlib.h>

#include "mutate.h"
#include "studio/test_suite.h"
#include "target.h"
#include "train/data_file.h"
#include "train/data_format.h"
#include "train/dataset.h"
#include "train/test_support.h"

namespace hew::fuzz {
namespace {

constexpr const char* kWords[] = {"messages",
                                  "role",
                                  "content",
                                  "user",
                                  "assistant",
                                  "system",
                                  "tool",
                                  "tools",
                                  "tool_calls",
                                  "function",
                                  "name",
                                  "arguments",
                                  "weight",
                                  "prompt",
                                  "completion",
                                  "instruction",
                                  "input",
                                  "output",
                                  "text",
                                  "conversations",
                                  "from",
                                  "value",
                                  "human",
                                  "gpt",
                                  "chosen",
                                  "rejected",
                                  "preferred_output",
                                  "non_preferred_output",
                                  "type",
                                  "id",
                                  "query",
                                  "gold",
                                  "choices",
                                  "check",
                                  "checks",
                                  "contains",
                                  "regex",
                                  "schema",
                                  "equals",
                                  "\n",
                                  "}{",
                                  "\xef\xbb\xbf",
                                  "[",
                                  "]",
                                  "\\ud800",
                                  "\r\n"};

std::string Gzipped(std::string_view text) {
  std::string out(text.size() + 200, '\0');
  z_stream stream{};
  HEW_CHECK(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  HEW_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {
      R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello","weight":1}]})",
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"x"},{"role":"assistant","content":"y"}],"tools":[{"type":"function","function":{"name":"f"}}]})",
      R"({"prompt":"a","completion":"b"})",
      R"({"instruction":"a","input":"c","output":"b","system":"s","history":[["a","b"]]})",
      R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]})",
      R"({"text":"one\n\ntwo"})",
      R"({"prompt":"a","chosen":"b","rejected":"c"})",
      R"({"input":{"messages":[{"role":"user","content":"a"}]},"preferred_output":[{"role":"assistant","content":"b"}],"non_preferred_output":[{"role":"assistant","content":"c"}]})",
      R"({"conversations":[{"from":"human","value":"a"}],"chosen":{"from":"gpt","value":"b"},"rejected":{"from":"gpt","value":"c"}})",
      R"({"id":"1","query":"a and","choices":["a","b"],"gold":0})",
      R"({"id":"2","prompt":"x","check":{"contains":"a"}})"};
  seeds.push_back(seeds[0] + "\n\n" + seeds[2] + "\r\n" + seeds[5] + "\n");
  seeds.push_back("[" + seeds[0] + "," + seeds[2] + "]");
  seeds.push_back("\xef\xbb\xbfplain text\n\nof two pieces\n");
  seeds.push_back(Gzipped(seeds[0]));
  return seeds;
}

void UseRow(const DataRow& row) {
  static const ByteTokenizer tokenizer;
  static const auto chat = ChatTemplate::Create(kTurnsTemplate, "", "<|im_end|>").value();
  const DatasetOptions options{
      .tokenizer = &tokenizer, .chat = &chat, .template_knows_tools = false, .now = {}, .context = 256};
  const auto encode = [&](const NormalRow& normal) {
    const auto example = EncodeRow(normal, row.where, options);
    if (Holds(example)) HEW_CHECK(example->ids.size() == example->weights.size());
  };
  const auto format = RecogniseFormat(row);
  if (Holds(format) && *format != DataFormat::kPreference) {
    const auto normal = NormaliseRow(row, *format);
    if (Holds(normal)) encode(*normal);
  }
  const auto pair = NormalisePreference(row);
  if (Holds(pair)) encode(pair->chosen), encode(pair->rejected);
}

void Run(std::string_view bytes) {
  std::string inflated;
  if (bytes.starts_with("\x1f\x8b")) {
    auto result = Gunzip(bytes, "d.jsonl.gz", 1 << 20);
    if (!Holds(result)) return;
    bytes = inflated = *std::move(result);
  }
  for (const char* name : {"d.jsonl", "d.txt"}) {
    (void)Holds(ReadDataBytes(bytes, name, [](DataRow&& row) -> Status { return UseRow(row), Status(); }));
  }
  (void)Holds(ParseSuite(bytes, "suite.jsonl"));
}

std::string Mutate(std::string_view bytes, Random& random) { return MutateJson(bytes, kWords, random); }

}  // namespace

const FuzzTarget jsonl_target = {"jsonl", Seeds, Run, Mutate};

}  // namespace hew::fuzz
