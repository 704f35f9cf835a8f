// Jinja2 templates, as far as chat templates need them, rendered byte for byte as Transformers does: sandboxed,
// trim_blocks, lstrip_blocks, loop controls, raise_exception, strftime_now, {% generation %}. Templates are hostile
// until proven otherwise: no host objects, and time, depth and memory are bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/byte_span.h"
#include "text/jinja/clock.h"

namespace hew {

namespace jinja {
struct Ast;
}

struct JinjaLimits {
  // A step is about one node of the template, 256 bytes of text made, or 4 items of a list made.
  int64_t max_steps = 2'000'000;
  // Macro calls inside each other.
  int max_depth = 100;
  // Of the output, and of any text on the way.
  int64_t max_output_bytes = 16 << 20;
  // Items of range().
  int64_t max_range = 1'000'000;
};

struct RenderedTemplate {
  std::string text;
  // The bytes that came out of `data`, in order and apart from each other; an operation that mixes texts beyond telling
  // (upper, escape) makes all that it gives data.
  std::vector<ByteSpan> data_spans;
  // Byte ranges [begin, end) of text that were made inside {% generation %}.
  std::vector<ByteSpan> generation_spans;
};

class Template {
 public:
  // `name` begins every error, of Parse and of Render: "name: line N: ...".
  static Result<Template> Parse(std::string_view source, std::string name);

  // `context` and `data` are objects: the variables of the template; those in `data` (which win) are what a caller
  // sent, and their texts are followed into the output. Thread-safe.
  Result<RenderedTemplate> Render(const nlohmann::ordered_json& context, const JinjaClock& now,
                                  const JinjaLimits& limits = {},
                                  const nlohmann::ordered_json& data = nlohmann::ordered_json::object()) const;

 private:
  Template(std::shared_ptr<const jinja::Ast> ast, std::string name) : ast_(std::move(ast)), name_(std::move(name)) {}

  std::shared_ptr<const jinja::Ast> ast_;
  std::string name_;
};

}  // namespace hew
