#include "http/serve.h"

#include <sys/resource.h>

#include <csignal>

#include "http/metrics.h"
#include "http/routes.h"
#include "http/server.h"

namespace hew {
namespace {

Status CheckServeSettings(const ServeSettings& settings) {
  if (settings.port < 0 || settings.port > 65535)
    return BadInput("--port: expected 0 to 65535, found {}", settings.port);
  if (settings.parallel < 1 || settings.parallel > 1024)
    return BadInput("--parallel: expected 1 to 1024, found {}", settings.parallel);
  if (settings.tls_certificate_path.empty() != settings.tls_key_path.empty())
    return BadInput("--tls-cert, --tls-key: expected both or none, found one");
  for (const auto& key : settings.api_keys) {
    if (key.empty()) return BadInput("--api-key: expected a key, found none");
  }
  if (!settings.cors_origin.empty() && settings.cors_origin != "*" &&
      settings.cors_origin.find("://") == std::string::npos)
    return BadInput("--cors: expected an origin (https://example.org) or *, found '{}'", settings.cors_origin);
  if (IsLoopback(settings.host) || !settings.api_keys.empty()) return {};
  if (!settings.no_api_key) {
    return BadInput("--host {}: expected --api-key for an address that others reach (or --no-api-key), found none",
                    settings.host);
  }
  settings.warn(fmt::format("WARNING: {} answers everybody who reaches it: there is no --api-key", settings.host));
  return {};
}

// A connection is a file descriptor; many systems allow 1,024 unless asked for more.
void RaiseDescriptorLimit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 16384);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<int> Serve(const ServeSettings& settings) {
  HEW_RETURN_IF_ERROR(CheckServeSettings(settings));
  RaiseDescriptorLimit();
  HEW_ASSIGN(const auto models, ServedModels::Open(settings));
  ServeMetrics metrics;
  Router router;
  AddApiRoutes(router, *models, metrics);
  AddPageRoutes(router, *models, metrics);

  ServerSettings http;
  http.host = settings.host;
  http.port = settings.port;
  http.access = {settings.host, settings.hosts, settings.api_keys, settings.cors_origin};
  http.tls_certificate_path = settings.tls_certificate_path;
  http.tls_key_path = settings.tls_key_path;
  http.on_response = [&metrics](int status) { metrics.CountResponse(status); };
  HEW_ASSIGN(const auto server, HttpServer::Listen(http, router));
  metrics.SetConnections([&server] { return server->connections(); });

  const std::string host = settings.host.find(':') != std::string::npos && !settings.host.starts_with('[')
                               ? "[" + settings.host + "]"
                               : settings.host;
  settings.on_ready(fmt::format("http{}://{}:{}", settings.tls_key_path.empty() ? "" : "s", host, server->port()),
                    models->default_name());
  const int signal = server->Run(true, settings.grace_seconds, [&] { models->Stop(settings.grace_seconds); });
  return signal == SIGINT ? 130 : 0;
}

}  // namespace hew
