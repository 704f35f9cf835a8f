#include "studio/registry/fixes.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/random.h"
#include "base/shown.h"
#include "studio/registry/diff.h"
#include "studio/registry/gate.h"
#include "train/data_format.h"

namespace hew {
namespace {

constexpr size_t kHeldOut = 2;  // wordings of a fix that are only tested
constexpr uint64_t kReplayStream = 0x4657;

Json Body(const Fix& fix) {
  return {{"messages", fix.messages}, {"bad", fix.bad},         {"good", fix.good},
          {"check", fix.check},       {"learned", fix.learned}, {"held_out", fix.held_out}};
}

std::vector<std::string> Texts(const Json& list) {
  std::vector<std::string> out;
  if (!list.is_array()) return out;
  for (const auto& item : list) out.push_back(item.is_string() ? item.get<std::string>() : std::string());
  return out;
}

const std::string& LastQuestion(const Json& messages) {
  static const std::string kNone;
  if (!messages.is_array()) return kNone;
  for (auto at = messages.rbegin(); at != messages.rend(); ++at) {
    if (at->is_object() && at->contains("role") && (*at)["role"] == "user" && at->contains("content") &&
        (*at)["content"].is_string()) {
      return (*at)["content"].get_ref<const std::string&>();
    }
  }
  return kNone;
}

// What makes two questions the same: their words, whatever case and punctuation.
std::string Words(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte)) {
      out += static_cast<char>(std::tolower(byte));
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Json WithQuestion(const Json& messages, const std::string& question) {
  Json out = messages;
  if (question.empty()) return out;
  for (size_t i = out.size(); i-- > 0;) {
    if (out[i].value("role", "") != "user") continue;
    out[i]["content"] = question;
    break;
  }
  return out;
}

// The question of a training row of any of the formats.
std::string QuestionOf(const Json& row) {
  if (!row.is_object()) return row.is_string() ? row.get<std::string>() : "";
  if (row.contains("messages")) return LastQuestion(row["messages"]);
  for (const char* key : {"prompt", "instruction", "input", "text"}) {
    if (row.contains(key) && row[key].is_string()) return row[key].get<std::string>();
  }
  return "";
}

// A preference pair: nothing that could be replayed beside rows to imitate.
bool IsPair(const Json& row) { return row.is_object() && (row.contains("chosen") || row.contains("preferred_output")); }

std::string QuestionOf(const TestCase& test) {
  return test.messages.is_null() ? test.prompt : LastQuestion(test.messages);
}

}  // namespace

Json ToJson(const Fix& fix) {
  Json json = {{"fix", fix.id}, {"version", fmt::format("v{}", fix.version)}, {"tag", fix.tag}};
  json["training_row"] = TrainingRow(fix);
  json["preference_pair"] = PreferencePair(fix);
  json["test"] = {{"id", fix.CaseId()},
                  {"messages", fix.messages},
                  {"check", fix.check},
                  {"tags", {fix.tag, kFixTag}},
                  {"must_pass", true}};
  json["learned_wordings"] = fix.learned;
  json["held_out_wordings"] = fix.held_out;
  json["fixed_in"] = fix.fixed_in ? Json(fmt::format("v{}", *fix.fixed_in)) : Json();
  return json;
}

Json TrainingRow(const Fix& fix, const std::string& question) {
  Json messages = WithQuestion(fix.messages, question);
  messages.push_back({{"role", "assistant"}, {"content", fix.good}});
  return {{"messages", std::move(messages)}};
}

Json PreferencePair(const Fix& fix, const std::string& question) {
  const auto answer = [](const std::string& text) { return Json::array({{{"role", "assistant"}, {"content", text}}}); };
  return {
      {"prompt", WithQuestion(fix.messages, question)}, {"chosen", answer(fix.good)}, {"rejected", answer(fix.bad)}};
}

Result<int64_t> AddFix(Workspace& workspace, Fix fix) {
  if (fix.good.empty()) return BadInput("--good: expected the right answer, found none");
  if (fix.tag.empty() || fix.tag.find_first_of("/\\\n") != fix.tag.npos)
    return BadInput("--tag: expected a word, found '{}'", Shown(fix.tag));
  if (fix.check.is_null()) fix.check = {{"equals", fix.good}};
  HEW_ASSIGN(const TestCase test,
             ReadCase({{"id", "fix"}, {"messages", fix.messages}, {"check", fix.check}}, "fix", 1));
  std::string why;
  if (!Passes(test, fix.good, &why))
    return BadInput("--good: expected an answer that passes its own check, found one that fails {}", why);
  if (Passes(test, fix.bad, &why) && test.HasText())
    return BadInput("fix: expected a wrong answer, found one that passes: {}", Shown(fix.bad));
  const std::string question = LastQuestion(fix.messages);
  HEW_ASSIGN(const auto known, ListFixes(workspace, ""));
  for (const auto& other : known) {
    if (Words(LastQuestion(other.messages)) == Words(question) && other.messages.size() == fix.messages.size() &&
        other.good != fix.good) {
      return BadInput("fix: expected one right answer to a question, found another in fix {}: {}", other.id,
                      Shown(other.good));
    }
  }
  std::vector<std::string> wordings = Reword(question);
  if (fix.held_out.empty()) {
    const size_t learned = wordings.size() - std::min(kHeldOut, wordings.size());
    fix.held_out.assign(wordings.begin() + static_cast<std::ptrdiff_t>(learned), wordings.end());
    wordings.resize(learned);
  }
  fix.learned.insert(fix.learned.end(), wordings.begin(), wordings.end());
  std::set<std::string> held;
  for (const auto& wording : fix.held_out) held.insert(Words(wording));
  std::erase_if(fix.learned, [&](const std::string& wording) { return held.contains(Words(wording)); });
  HEW_RETURN_IF_ERROR(workspace.registry().database().Run("INSERT INTO fixes(version, tag, body, at) VALUES (?,?,?,?)",
                                                          fix.version, fix.tag, DumpJson(Body(fix)), UtcNow()));
  return workspace.registry().database().LastRowId();
}

Result<std::vector<Fix>> ListFixes(const Workspace& workspace, const std::string& tag) {
  HEW_ASSIGN(auto row,
             workspace.registry().database().Query(
                 "SELECT id, version, tag, body, fixed_in FROM fixes WHERE ?1='' OR tag=?1 ORDER BY id", tag));
  std::vector<Fix> fixes;
  while (true) {
    HEW_ASSIGN(const bool more, row.Step());
    if (!more) return fixes;
    Fix fix;
    fix.id = row.Int(0), fix.version = row.Int(1), fix.tag = row.Text(2), fix.fixed_in = row.OptionalInt(4);
    const Json body = Json::parse(row.Text(3), nullptr, false);
    if (!body.is_object()) return BadInput("registry.db: fix {}: expected an object, found damage", fix.id);
    fix.messages = body.value("messages", Json::array());
    fix.bad = body.value("bad", ""), fix.good = body.value("good", "");
    fix.check = body.value("check", Json::object());
    fix.learned = Texts(body.value("learned", Json())), fix.held_out = Texts(body.value("held_out", Json()));
    fixes.push_back(std::move(fix));
  }
}

Result<NamedSuite> FixSuite(const Workspace& workspace) {
  HEW_ASSIGN(const auto fixes, ListFixes(workspace, ""));
  NamedSuite suite;
  suite.name = suite.path = kFixSuite;
  for (const auto& fix : fixes) {
    const auto add = [&](const std::string& id, const std::string& question, bool held_out) -> Status {
      Json row = {{"id", id},
                  {"messages", WithQuestion(fix.messages, question)},
                  {"check", fix.check},
                  {"tags", {fix.tag, kFixTag}},
                  {"must_pass", true}};
      if (held_out) row["tags"].push_back(kParaphraseTag);
      HEW_ASSIGN(TestCase test, ReadCase(row, "fix " + std::to_string(fix.id), 1));
      suite.cases.push_back(std::move(test));
      return {};
    };
    HEW_RETURN_IF_ERROR(add(fix.CaseId(), "", false));
    for (size_t i = 0; i < fix.held_out.size(); ++i)
      HEW_RETURN_IF_ERROR(add(fmt::format("{}-{}", fix.CaseId(), i + 1), fix.held_out[i], true));
  }
  return suite;
}

Result<int64_t> SaveChat(Workspace& workspace, int64_t version, const Json& messages, const std::string& answer) {
  HEW_RETURN_IF_ERROR(
      workspace.registry().database().Run("INSERT INTO chats(version, messages, answer, at) VALUES (?,?,?,?)", version,
                                          DumpJson(messages), answer, UtcNow()));
  return workspace.registry().database().LastRowId();
}

Result<ChatTurn> GetChat(const Workspace& workspace, int64_t id) {
  HEW_ASSIGN(auto row,
             workspace.registry().database().Query("SELECT version, messages, answer FROM chats WHERE id=?", id));
  HEW_ASSIGN(const bool found, row.Step());
  if (!found)
    return BadInput("--chat {}: expected an answer that this workspace keeps (hew chat), found none of this number",
                    id);
  return ChatTurn{id, row.Int(0), Json::parse(row.Text(1), nullptr, false), row.Text(2)};
}

Result<FixPlan> PlanFix(Workspace& workspace, const Version& parent, const std::string& tag, double replay,
                        uint64_t seed, const std::string& folder, const std::string& method) {
  HEW_ASSIGN(const auto fixes, ListFixes(workspace, tag));
  if (fixes.empty()) return BadInput("--tag {}: expected a fix with this tag (hew flag), found none", tag);
  FixPlan plan;
  // What may not be learned: held-out wordings, and every question of a suite. A flagged question itself is learned.
  std::set<std::string> tested, flagged;
  HEW_ASSIGN(const auto all, ListFixes(workspace, ""));
  for (const auto& fix : all) {
    for (const auto& wording : fix.held_out) tested.insert(Words(wording));
  }
  for (const auto& fix : fixes) flagged.insert(Words(LastQuestion(fix.messages)));
  HEW_ASSIGN(const auto suites, workspace.registry().Suites());
  for (const auto& known : suites) {
    HEW_ASSIGN(const NamedSuite suite, OpenSuite(&workspace, known.name));
    for (const auto& test : suite.cases) {
      const std::string words = Words(QuestionOf(test));
      if (flagged.contains(words)) {
        plan.asked.push_back(suite.name + " " + test.id);
      } else {
        tested.insert(words);
      }
    }
  }
  std::map<std::string, std::string> files;  // of one format each
  const auto write = [&](const Json& row, const std::string& format) { files[format] += DumpJson(row) + "\n"; };
  const bool pairs = method != "sft";
  const auto learned = [&](const Fix& fix, const std::string& wording) {
    return pairs ? PreferencePair(fix, wording) : TrainingRow(fix, wording);
  };
  plan.settings.method = method;
  for (const auto& fix : fixes) {
    plan.fixes.push_back(fix.id);
    write(learned(fix, ""), "");
    plan.new_rows += 1;
    for (const auto& wording : fix.learned) {
      if (tested.contains(Words(wording))) {
        plan.left_out += 1;
        continue;
      }
      write(learned(fix, wording), "");
      plan.new_rows += 1;
    }
  }
  // All that the parent and those before it have learned.
  std::vector<StoredRow> old;
  std::set<std::string> seen;
  Version ancestor = parent;
  while (!pairs && ancestor.kind == VersionKind::kAdapter) {
    HEW_ASSIGN(auto rows, TrainingRows(workspace, ancestor));
    for (auto& row : rows) {
      if (!IsPair(row.object) && seen.insert(row.digest).second) old.push_back(std::move(row));
    }
    if (!ancestor.parent) break;
    HEW_ASSIGN(ancestor, workspace.registry().Get(*ancestor.parent));
  }
  const size_t before = old.size();
  std::erase_if(old, [&](const StoredRow& row) {
    const std::string words = Words(QuestionOf(row.object));
    return tested.contains(words) || flagged.contains(words);  // an old answer to a flagged question is the fault
  });
  plan.left_out += static_cast<int64_t>(before - old.size());
  Random random{seed, kReplayStream, 0};
  for (size_t i = old.size(); i > 1; --i) std::swap(old[i - 1], old[random.Below(i)]);
  const auto wanted = static_cast<size_t>(replay * static_cast<double>(plan.new_rows));
  if (old.size() > wanted) old.resize(wanted);
  for (const auto& row : old) {
    DataRow data;
    data.object = row.object.is_object() ? row.object : Json({{"text", row.object}});
    HEW_ASSIGN(const DataFormat format, RecogniseFormat(data));
    write(data.object, format == DataFormat::kChat ? "" : "-" + std::string(NameOf(format)));
  }
  plan.replayed_rows = static_cast<int64_t>(old.size());
  for (const auto& [format, jsonl] : files) {
    plan.settings.data.push_back(folder + "/fix-" + tag + format + ".jsonl");
    HEW_RETURN_IF_ERROR(WriteFileAtomically(plan.settings.data.back(), jsonl));
  }
  HEW_ASSIGN(plan.settings.base, workspace.BasePath(parent.base));
  if (parent.kind == VersionKind::kAdapter) {
    HEW_ASSIGN(plan.settings.init_adapter, workspace.Checkout(parent));
  }
  plan.settings.seed = static_cast<int64_t>(seed);
  return plan;
}

Status MarkFixed(Workspace& workspace, const std::vector<int64_t>& fixes, int64_t version) {
  HEW_ASSIGN(Transaction transaction, Transaction::Begin(workspace.registry().database()));
  for (const int64_t id : fixes)
    HEW_RETURN_IF_ERROR(workspace.registry().database().Run("UPDATE fixes SET fixed_in=? WHERE id=?", version, id));
  return transaction.Commit();
}

}  // namespace hew
