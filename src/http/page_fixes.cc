// A wrong answer becomes a fix.
#include "http/page_context.h"
#include "studio/registry/fixes.h"

namespace hew {
namespace {

// System (if any), user and assistant turns, the last of them the user's. Only role and content are kept.
Api<Json> ReadMessages(Fields& fields) {
  const Json* array = fields.Array("messages", 1, 1000);
  if (auto status = fields.status(); !status) return tl::unexpected(status.error());
  if (!array) return BadField("messages", "expected what was asked, found nothing");
  Json messages = Json::array();
  for (size_t i = 0; i < array->size(); ++i) {
    const Json& message = (*array)[i];
    const std::string path = fmt::format("messages[{}]", i);
    if (!message.is_object()) return BadField(path, fmt::format("expected an object, found {}", Found(message)));
    Fields one(message, path);
    const std::string role = one.OneOf("role", "", {"system", "user", "assistant"}), content = one.Text("content");
    if (role.empty()) one.Fail("role", "expected system, user or assistant, found nothing");
    if (auto status = one.status(); !status) return tl::unexpected(status.error());
    messages.push_back({{"role", role}, {"content", content}});
  }
  if (messages.back()["role"] != "user")
    return BadField("messages", "expected a user's message at the end, found another's");
  return messages;
}

ApiStatus PostFlag(PageContext& context, const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Json body, ParseBody(request));
  Fields fields(body);
  Fix fix;
  const std::string version = fields.Text("version"), contains = fields.Text("contains");
  fix.bad = fields.Text("bad");
  fix.good = fields.Text("good");
  fix.tag = fields.Text("tag", "fix");
  if (fix.good.empty()) fields.Fail("good", "expected the right answer, found nothing");
  if (fix.tag.empty()) fields.Fail("tag", "expected a word, found nothing");
  API_ASSIGN(fix.messages, ReadMessages(fields));
  if (auto status = fields.status(); !status) return status;
  API_ASSIGN(Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const Version found, context.FindVersion(workspace, version, "version"));
  fix.version = found.id;
  if (!contains.empty()) fix.check = {{"contains", contains}};
  API_ASSIGN(const int64_t id, OrError(AddFix(workspace, fix)));
  API_ASSIGN(const auto fixes, OrError(ListFixes(workspace, fix.tag)));
  for (const auto& added : fixes) {
    if (added.id == id) SendJson(*reply, ToJson(added));
  }
  return {};
}

ApiStatus GetFixes(PageContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const auto fixes, OrError(ListFixes(workspace, "")));
  Json list = Json::array();
  for (const auto& fix : fixes) {
    Json one = ToJson(fix);
    one["bad"] = fix.bad;
    one["good"] = fix.good;
    one["question"] = fix.messages.empty() ? Json("") : fix.messages.back().value("content", Json(""));
    list.push_back(std::move(one));
  }
  SendJson(*reply, {{"fixes", std::move(list)}});
  return {};
}

ApiStatus GetSuites(PageContext& context, const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
  API_ASSIGN(const Workspace workspace, context.OpenWorkspace());
  API_ASSIGN(const auto suites, OrError(workspace.registry().Suites()));
  Json list = Json::array();
  for (const auto& suite : suites) list.push_back({{"name", suite.name}, {"path", suite.path}});
  API_ASSIGN(const auto fixes, OrError(ListFixes(workspace, "")));
  if (!fixes.empty()) list.push_back({{"name", kFixSuite}, {"path", kFixSuite}});
  SendJson(*reply, {{"suites", std::move(list)}});
  return {};
}

}  // namespace

void AddFixRoutes(Router& router, const std::shared_ptr<PageContext>& context) {
  router.Add("POST", "/api/flag", Handle(context, PostFlag));
  router.Add("GET", "/api/fixes", Handle(context, GetFixes));
  router.Add("GET", "/api/suites", Handle(context, GetSuites));
}

}  // namespace hew
