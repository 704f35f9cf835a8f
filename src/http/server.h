// The HTTP server: sockets, limits, time, keys, TLS. What is answered is the router's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/access.h"
#include "http/http_parser.h"
#include "http/router.h"

namespace hew {

struct ServerSettings {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any free one
  HttpLimits limits;
  AccessSettings access;
  std::string tls_certificate_path, tls_key_path;  // PEM; "": no TLS
  size_t max_connections = 4096;
  size_t max_body_bytes = 512 << 20;       // of all requests that are being received
  size_t waiting_event_bytes = 256 << 10;  // of one stream
  int workers = 8;
  double header_seconds = 30;      // from the first byte of a request to the end of its header; also a TLS handshake
  double body_pause_seconds = 30;  // without a byte of a body
  double request_seconds = 600;    // for all of a request to come in
  double idle_seconds = 75;        // between requests
  double write_seconds = 30;       // for a piece of at most 64 KB to go out
  double comment_seconds = 15;     // between ":" lines of a stream with nothing to say
  std::function<void(int status)> on_response;  // counted, on the server's thread
};

class HttpServer {
 public:
  // Errors: the address is taken or none of this machine's; certificate and key cannot be read or do not fit.
  static Result<std::unique_ptr<HttpServer>> Listen(const ServerSettings& settings, const Router& router);
  ~HttpServer();

  int port() const;
  size_t connections() const;  // any thread

  // Serves until Stop, or until SIGINT or SIGTERM where `signals` says to listen for them (a second one ends the
  // program); gives the signal, 0 for Stop. Then takes no more connections, lets `on_stop` (on a thread of its own)
  // bring answers to their end, and leaves once they are sent, `grace_seconds` + 2 later at the latest.
  int Run(bool signals, double grace_seconds, const std::function<void()>& on_stop = nullptr);
  void Stop();  // any thread

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hew
