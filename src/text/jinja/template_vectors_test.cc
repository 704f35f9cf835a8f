// Real chat templates and small cases with the text that Python's Jinja2, set up as Transformers does, gave for them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "text/jinja/template.h"

namespace hew {
namespace {

const JinjaClock kNow{2025, 7, 10, 12, 0, 0};

nlohmann::ordered_json ReadJson(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return nlohmann::ordered_json::parse(text.str(), nullptr, false);
}

// Cases are {name, template, context, and either expected or error: true}.
void CheckCases(const std::filesystem::path& path) {
  const auto cases = ReadJson(path);
  ASSERT_TRUE(cases.is_array()) << path;
  ASSERT_FALSE(cases.empty());
  for (const auto& one : cases) {
    const std::string name = one["name"];
    SCOPED_TRACE(name);
    const auto parsed = Template::Parse(one["template"].get<std::string>(), name);
    const bool expects_error = one.contains("error");
    if (!parsed) {
      EXPECT_TRUE(expects_error) << parsed.error().message;
      continue;
    }
    const auto rendered = parsed->Render(one["context"], kNow);
    if (!rendered) {
      EXPECT_TRUE(expects_error) << rendered.error().message;
      EXPECT_EQ(rendered.error().message.find('\n'), std::string::npos);
      continue;
    }
    EXPECT_FALSE(expects_error) << "rendered as " << rendered->text;
    if (!expects_error) {
      EXPECT_EQ(rendered->text, one["expected"].get<std::string>());
    }
  }
}

void CheckShared(const char* file) {
  const auto path = std::filesystem::path(HEW_SOURCE_DIR) / ".." / "shared" / "vectors" / file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  CheckCases(path);
}

TEST(TemplateVectorsTest, RealChatTemplates) { CheckShared("chat_templates.json"); }
TEST(TemplateVectorsTest, SmallCases) { CheckShared("jinja_cases.json"); }

TEST(TemplateVectorsTest, OwnCases) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(HEW_SOURCE_DIR) / "tests" / "golden" / "jinja")) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().filename().string());
    CheckCases(entry.path());
    ++files;
  }
  EXPECT_GE(files, 1u);
}

}  // namespace
}  // namespace hew
