#include "http/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdlib>
#include <thread>

#include "http/connection.h"

namespace hew {

using asio::ip::tcp;

struct HttpServer::Impl {
  Impl(const ServerSettings& settings, const Router& router)
      : shared(settings, router), acceptor(shared.io), signals(shared.io), tick(shared.io) {}

  Status Open();
  Status OpenTls();
  asio::awaitable<void> Accept();
  asio::awaitable<void> Watch();
  void OnSignal(int signal);
  void BeginStop();

  ServerShared shared;
  tcp::acceptor acceptor;
  asio::signal_set signals;
  asio::steady_timer tick;
  std::unique_ptr<asio::ssl::context> tls;
  int port = 0, signal = 0;
  double grace_seconds = 0;
  std::function<void()> on_stop;
  std::thread stopper;
  Connection::Clock::time_point give_up = Connection::Clock::time_point::max();
};

Status HttpServer::Impl::OpenTls() {
  const ServerSettings& settings = shared.settings;
  tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  error_code error;
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                       asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                   error);
  if (!error) tls->use_certificate_chain_file(settings.tls_certificate_path, error);
  if (error)
    return BadInput("{}: expected a PEM certificate, found: {}", settings.tls_certificate_path, error.message());
  tls->use_private_key_file(settings.tls_key_path, asio::ssl::context::pem, error);
  if (error)
    return BadInput("{}: expected the certificate's PEM key, found: {}", settings.tls_key_path, error.message());
  return {};
}

Status HttpServer::Impl::Open() {
  const ServerSettings& settings = shared.settings;
  if (!settings.tls_certificate_path.empty()) HEW_RETURN_IF_ERROR(OpenTls());
  error_code error;
  std::string host = settings.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  tcp::resolver resolver(shared.io);
  const auto found = resolver.resolve(host, std::to_string(settings.port), tcp::resolver::passive, error);
  if (error || found.empty())
    return BadInput("--host {}: expected an address of this machine, found: {}", settings.host, error.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1024, error);
  if (error) {
    return EnvironmentError("{}:{}: expected a free address and port (--port takes another), found: {}", settings.host,
                            settings.port, error.message());
  }
  port = acceptor.local_endpoint().port();
  return {};
}

asio::awaitable<void> HttpServer::Impl::Accept() {
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(kAwait);
    if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
    if (error) {  // no more file descriptors, or the client left already
      asio::steady_timer pause(shared.io, std::chrono::milliseconds(50));
      const auto [ignored] = co_await pause.async_wait(kAwait);
      (void)ignored;
      continue;
    }
    error_code option;
    if (shared.connections.size() >= shared.settings.max_connections) {
      socket.non_blocking(true, option);
      static constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
      socket.send(asio::buffer(kFull.data(), kFull.size()), 0, option);
      continue;
    }
    socket.set_option(tcp::no_delay(true), option);
    // What the machine buffers for a slow reader counts, too.
    socket.set_option(asio::socket_base::send_buffer_size(128 << 10), option);
    std::unique_ptr<ByteStream> stream;
    if (tls) {
      stream = std::make_unique<TlsStream>(std::move(socket), *tls);
    } else {
      stream = std::make_unique<PlainStream>(std::move(socket));
    }
    std::make_shared<Connection>(shared, std::move(stream))->Start();
  }
}

// Looks four times a second at whose time is up; ends once the server has been told to stop and nobody is left.
asio::awaitable<void> HttpServer::Impl::Watch() {
  for (;;) {
    if (shared.stopping && shared.connections.empty()) break;
    tick.expires_after(std::chrono::milliseconds(shared.stopping ? 20 : 250));
    const auto [ignored] = co_await tick.async_wait(kAwait);
    (void)ignored;
    const auto now = Connection::Clock::now();
    const std::vector<Connection*> all(shared.connections.begin(), shared.connections.end());
    for (Connection* connection : all) connection->Check(now);
    if (now >= give_up) {
      give_up = Connection::Clock::time_point::max();
      for (Connection* connection : all) connection->Close();
    }
  }
  shared.io.stop();
}

void HttpServer::Impl::BeginStop() {
  if (shared.stopping) return;
  shared.stopping = true;
  error_code ignored;
  acceptor.close(ignored);
  tick.cancel();
  give_up = Connection::Clock::now() + std::chrono::milliseconds(static_cast<int64_t>((grace_seconds + 2) * 1000));
  for (Connection* connection : shared.connections) connection->Wake();
  if (on_stop) stopper = std::thread(on_stop);
}

void HttpServer::Impl::OnSignal(int number) {
  if (shared.stopping) std::_Exit(130);
  signal = number;
  BeginStop();
  signals.async_wait([this](const error_code& error, int next) {
    if (!error) OnSignal(next);
  });
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const ServerSettings& settings, const Router& router) {
  ServerSettings checked = settings;
  if (checked.access.host.empty()) checked.access.host = settings.host;
  auto impl = std::make_unique<Impl>(checked, router);
  HEW_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port; }
size_t HttpServer::connections() const { return impl_->shared.connection_count.load(); }

int HttpServer::Run(bool signals, double grace_seconds, const std::function<void()>& on_stop) {
  impl_->grace_seconds = grace_seconds;
  impl_->on_stop = on_stop;
  impl_->shared.workers = std::make_unique<Workers>(impl_->shared.settings.workers);
  if (signals) {
    impl_->signals.add(SIGINT);
    impl_->signals.add(SIGTERM);
    impl_->signals.async_wait([this](const error_code& error, int number) {
      if (!error) impl_->OnSignal(number);
    });
  }
  asio::co_spawn(impl_->shared.io, impl_->Accept(), asio::detached);
  asio::co_spawn(impl_->shared.io, impl_->Watch(), asio::detached);
  impl_->shared.io.run();
  if (impl_->stopper.joinable()) impl_->stopper.join();
  impl_->shared.workers->Stop();
  return impl_->signal;
}

void HttpServer::Stop() {
  asio::post(impl_->shared.io, [this] { impl_->BeginStop(); });
}

}  // namespace hew
