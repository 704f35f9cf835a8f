#include "http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hew {
namespace {

using testing::ElementsAre;
using testing::Pair;

// Which of the added routes answers, by the number that its handler tells.
class Routes {
 public:
  void Add(const char* method, const char* pattern) {
    router.Add(method, pattern,
               [this, id = next_++](const HttpRequest&, const std::shared_ptr<HttpReply>&) { called_ = id; });
  }
  int Called(const char* method, const char* path) {
    called_ = -1;
    if (const auto match = router.Find(method, path); match.handler) (*match.handler)({}, nullptr);
    return called_;
  }
  Router router;

 private:
  int next_ = 0, called_ = -1;
};

TEST(Router, FindsByMethodAndPath) {
  Routes routes;
  routes.Add("GET", "/v1/models");
  routes.Add("POST", "/v1/models");
  routes.Add("GET", "/");
  EXPECT_EQ(routes.Called("GET", "/v1/models"), 0);
  EXPECT_EQ(routes.Called("POST", "/v1/models"), 1);
  EXPECT_EQ(routes.Called("GET", "/"), 2);
  EXPECT_EQ(routes.Called("GET", "/v1"), -1);
  EXPECT_EQ(routes.Called("GET", "/v1/models/x"), -1);
}

TEST(Router, DoubledAndLastSlashesChangeNothing) {
  Routes routes;
  routes.Add("GET", "/v1/models");
  EXPECT_EQ(routes.Called("GET", "//v1//models/"), 0);
}

TEST(Router, GivesParameters) {
  Routes routes;
  routes.Add("POST", "/api/versions/{id}/{action}");
  const auto match = routes.router.Find("POST", "/api/versions/v3/promote");
  ASSERT_NE(match.handler, nullptr);
  EXPECT_THAT(match.parameters, ElementsAre(Pair("action", "promote"), Pair("id", "v3")));
}

TEST(Router, ARestParameterTakesAllThatIsLeft) {
  Routes routes;
  routes.Add("GET", "/v1/models/{id*}");
  const auto match = routes.router.Find("GET", "/v1/models/org/model");
  ASSERT_NE(match.handler, nullptr);
  EXPECT_EQ(match.parameters.at("id"), "org/model");
  EXPECT_EQ(routes.Called("GET", "/v1/models"), -1);
}

TEST(Router, WordsWinOverParameters) {
  Routes routes;
  routes.Add("GET", "/page/{file*}");
  routes.Add("GET", "/page/{file}");
  routes.Add("GET", "/page/index");
  EXPECT_EQ(routes.Called("GET", "/page/index"), 2);
}

TEST(Router, HeadFindsGet) {
  Routes routes;
  routes.Add("GET", "/health");
  routes.Add("POST", "/chat");
  EXPECT_EQ(routes.Called("HEAD", "/health"), 0);
  EXPECT_EQ(routes.Called("HEAD", "/chat"), -1);
}

TEST(Router, TellsWhatIsAllowedElsewhere) {
  Routes routes;
  routes.Add("GET", "/x");
  routes.Add("DELETE", "/x");
  EXPECT_THAT(routes.router.Find("POST", "/x").allowed, ElementsAre("DELETE", "GET", "HEAD"));
  EXPECT_TRUE(routes.router.Find("POST", "/y").allowed.empty());
}

}  // namespace
}  // namespace hew
