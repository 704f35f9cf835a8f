// What a handler sees of HTTP: a whole request, and a reply that is sent at once or as a stream of events. The socket,
// its limits, its timeouts and its keys are the server's: everything needs a key (when there are any) but GET of "/",
// "/health", "/favicon.ico" and what lies under "/page/".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hew {

struct HttpRequest {
  std::string method, path;                       // path decoded, without the query, "//" made "/"
  std::map<std::string, std::string> query;       // decoded
  std::map<std::string, std::string> headers;     // names in lower case
  std::map<std::string, std::string> parameters;  // of the route: "/v1/models/{id}" has "id"
  std::string body;
};

// Safe to call from any thread; calls after the end or the client's leaving do nothing.
class HttpReply {
 public:
  virtual ~HttpReply() = default;
  virtual void Send(int status, std::string_view content_type, std::string body,
                    const std::map<std::string, std::string>& headers = {}) = 0;
  virtual void BeginEvents() = 0;                 // text/event-stream
  virtual void Event(std::string_view data) = 0;  // "data: …\n\n"; data holds no newline
  virtual void NamedEvent(std::string_view /*name*/, std::string_view data) {
    Event(data);
  }                                 // "event: NAME\n" before it
  virtual void End() = 0;           // of events
  virtual bool closed() const = 0;  // the client is gone
  // Called once, when the client leaves before the end; on the server's thread, so it must be quick. At once, when it
  // has left already.
  virtual void OnClosed(std::function<void()> f) = 0;
};

// Runs on a worker thread; may block; may keep the reply and answer later.
using HttpHandler = std::function<void(const HttpRequest&, std::shared_ptr<HttpReply>)>;

class Router {
 public:
  // "/api/versions/{id}"; a last "{path*}" takes all that is left. Words win over parameters, wherever they were added.
  void Add(std::string_view method, std::string_view pattern, HttpHandler handler);
  struct Match {
    const HttpHandler* handler = nullptr;  // null: 404, or 405 when `allowed` is not empty
    std::map<std::string, std::string> parameters;
    std::vector<std::string> allowed;
  };
  Match Find(std::string_view method, std::string_view path) const;  // HEAD finds GET

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    HttpHandler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace hew
