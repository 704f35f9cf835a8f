#include "text/jinja/template.h"

#include "text/jinja/evaluator.h"
#include "text/jinja/parser.h"

namespace hew {

Result<Template> Template::Parse(std::string_view source, std::string name) {
  auto ast = jinja::ParseTemplate(source);
  if (!ast) return Annotate(name, std::move(ast).error());
  return Template(std::make_shared<const jinja::Ast>(*std::move(ast)), std::move(name));
}

Result<RenderedTemplate> Template::Render(const nlohmann::ordered_json& context, const JinjaClock& now,
                                          const JinjaLimits& limits, const nlohmann::ordered_json& data) const {
  if (!context.is_object()) return BadInput("{}: expected an object as context, found {}", name_, context.type_name());
  jinja::Evaluator evaluator(*ast_, now, limits);
  auto rendered = evaluator.Run(context, data);
  if (!rendered) {
    Error error = std::move(rendered).error();
    // One line, whatever a template says in raise_exception.
    for (char& c : error.message) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    return Annotate(fmt::format("{}: line {}", name_, evaluator.line()), std::move(error));
  }
  return rendered;
}

}  // namespace hew
