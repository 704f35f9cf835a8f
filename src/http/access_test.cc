#include "http/access.h"

#include <gtest/gtest.h>

namespace hew {
namespace {

HttpRequest Request(const char* method, const char* path, std::map<std::string, std::string> headers) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  request.headers = std::move(headers);
  return request;
}

int Status(const AccessRules& rules, const HttpRequest& request) {
  const auto refusal = rules.Check(request);
  return refusal ? refusal->status : 200;
}

TEST(Access, LoopbackKnowsItsNamesOnly) {
  const AccessRules rules({.host = "127.0.0.1", .hosts = {"hew.local"}, .api_keys = {}, .cors_origin = ""});
  for (const char* host : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:8080", "hew.local:80"})
    EXPECT_EQ(Status(rules, Request("GET", "/health", {{"host", host}})), 200) << host;
  for (const char* host :
       {"evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "a, localhost", "10.0.0.1", "[::2]"})
    EXPECT_EQ(Status(rules, Request("GET", "/health", {{"host", host}})), 403) << host;
}

TEST(Access, OtherAddressesTakeAnyNameUnlessToldOnes) {
  const AccessRules open({.host = "0.0.0.0", .hosts = {}, .api_keys = {"k"}, .cors_origin = ""});
  EXPECT_EQ(Status(open, Request("GET", "/health", {{"host", "my.machine:80"}})), 200);
  const AccessRules named({.host = "0.0.0.0", .hosts = {"my.machine"}, .api_keys = {"k"}, .cors_origin = ""});
  EXPECT_EQ(Status(named, Request("GET", "/health", {{"host", "my.machine:80"}})), 200);
  EXPECT_EQ(Status(named, Request("GET", "/health", {{"host", "other:80"}})), 403);
}

TEST(Access, PagesOfOthersMayNotAsk) {
  const AccessRules rules({.host = "127.0.0.1", .hosts = {}, .api_keys = {}, .cors_origin = ""});
  const auto asked = [&](const char* method, const char* path, const char* origin) {
    return Status(rules, Request(method, path, {{"host", "localhost:8080"}, {"origin", origin}}));
  };
  EXPECT_EQ(asked("POST", "/v1/chat/completions", "http://localhost:8080"), 200);
  EXPECT_EQ(asked("POST", "/v1/chat/completions", "http://localhost:9999"), 403);
  EXPECT_EQ(asked("POST", "/v1/chat/completions", "https://evil.example"), 403);
  EXPECT_EQ(asked("POST", "/v1/chat/completions", "null"), 403);
  EXPECT_EQ(asked("GET", "/api/state", "https://evil.example"), 403);
  EXPECT_EQ(asked("GET", "/v1/models", "https://evil.example"), 200);  // without CORS headers it cannot read it
  EXPECT_TRUE(
      rules.CorsHeaders(Request("GET", "/v1/models", {{"host", "a"}, {"origin", "https://evil.example"}})).empty());
}

TEST(Access, CorsLetsOneOriginIn) {
  const AccessRules rules({.host = "127.0.0.1", .hosts = {}, .api_keys = {}, .cors_origin = "https://mine.example"});
  const auto request = [](const char* method, const char* origin) {
    return Request(method, "/v1/models", {{"host", "localhost"}, {"origin", origin}});
  };
  EXPECT_EQ(Status(rules, request("POST", "https://mine.example")), 200);
  EXPECT_EQ(rules.CorsHeaders(request("POST", "https://mine.example")).at("Access-Control-Allow-Origin"),
            "https://mine.example");
  EXPECT_EQ(rules.CorsHeaders(request("OPTIONS", "https://mine.example")).count("Access-Control-Allow-Headers"), 1u);
  EXPECT_EQ(Status(rules, request("POST", "https://other.example")), 403);
  EXPECT_TRUE(rules.CorsHeaders(request("POST", "https://other.example")).empty());
}

TEST(Access, KeysAreAskedForButForThePageAndHealth) {
  const AccessRules rules({.host = "127.0.0.1", .hosts = {}, .api_keys = {"one", "two"}, .cors_origin = ""});
  const auto asked = [&](const char* method, const char* path, std::map<std::string, std::string> headers) {
    headers["host"] = "localhost";
    return Status(rules, Request(method, path, std::move(headers)));
  };
  EXPECT_EQ(asked("GET", "/v1/models", {}), 401);
  EXPECT_EQ(asked("GET", "/v1/models", {{"authorization", "Bearer three"}}), 401);
  EXPECT_EQ(asked("GET", "/v1/models", {{"authorization", "Bearer "}}), 401);
  EXPECT_EQ(asked("GET", "/v1/models", {{"authorization", "Basic one"}}), 401);
  EXPECT_EQ(asked("GET", "/v1/models", {{"authorization", "Bearer one"}}), 200);
  EXPECT_EQ(asked("GET", "/v1/models", {{"authorization", "bearer two"}}), 200);
  EXPECT_EQ(asked("POST", "/v1/messages", {{"x-api-key", "two"}}), 200);
  EXPECT_EQ(asked("GET", "/metrics", {}), 401);
  EXPECT_EQ(asked("POST", "/", {}), 401);
  for (const char* path : {"/", "/health", "/favicon.ico", "/page/app.js"})
    EXPECT_EQ(asked("GET", path, {}), 200) << path;
  EXPECT_EQ(asked("OPTIONS", "/v1/models", {}), 200);
}

}  // namespace
}  // namespace hew
