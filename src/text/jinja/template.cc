#include "text/jinja/template.h"

#include "base/shown.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/parser.h"

namespace hew {
namespace {

// One line of text, whatever a template says in raise_exception and whatever bytes stand where it is wrong.
Error OneLine(Error error) {
  for (char& c : error.message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  error.message = Shown(error.message, 1000);
  return error;
}

}  // namespace

Result<Template> Template::Parse(std::string_view source, std::string name) {
  auto ast = jinja::ParseTemplate(source);
  if (!ast) return Annotate(name, OneLine(std::move(ast).error()));
  return Template(std::make_shared<const jinja::Ast>(*std::move(ast)), std::move(name));
}

Result<RenderedTemplate> Template::Render(const nlohmann::ordered_json& context, const JinjaClock& now,
                                          const JinjaLimits& limits, const nlohmann::ordered_json& data) const {
  if (!context.is_object()) return BadInput("{}: expected an object as context, found {}", name_, context.type_name());
  jinja::Evaluator evaluator(*ast_, now, limits);
  auto rendered = evaluator.Run(context, data);
  if (!rendered) {
    return Annotate(fmt::format("{}: line {}", name_, evaluator.line()), OneLine(std::move(rendered).error()));
  }
  return rendered;
}

}  // namespace hew
