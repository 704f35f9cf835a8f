// A connected socket, with TLS or without. Includes Asio: for connection.cc and server.cc alone.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string_view>

namespace hew {

namespace asio = boost::asio;
using boost::system::error_code;
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual asio::awaitable<bool> Handshake() = 0;
  virtual asio::awaitable<size_t> Read(char* to, size_t most) = 0;  // 0: the end, or an error
  virtual asio::awaitable<bool> Write(std::string_view bytes) = 0;  // all of it
  virtual asio::ip::tcp::socket& socket() = 0;

  void ShutdownSend() {
    error_code ignored;
    socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void Close() {
    error_code ignored;
    socket().close(ignored);
  }
};

template <typename Stream>
asio::awaitable<size_t> ReadSome(Stream& stream, char* to, size_t most) {
  const auto [error, count] = co_await stream.async_read_some(asio::buffer(to, most), kAwait);
  co_return error ? 0 : count;
}

template <typename Stream>
asio::awaitable<bool> WriteAll(Stream& stream, std::string_view bytes) {
  const auto [error, count] = co_await asio::async_write(stream, asio::buffer(bytes.data(), bytes.size()), kAwait);
  co_return !error && count == bytes.size();
}

class PlainStream : public ByteStream {
 public:
  explicit PlainStream(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}
  asio::awaitable<bool> Handshake() override { co_return true; }
  asio::awaitable<size_t> Read(char* to, size_t most) override { return ReadSome(socket_, to, most); }
  asio::awaitable<bool> Write(std::string_view bytes) override { return WriteAll(socket_, bytes); }
  asio::ip::tcp::socket& socket() override { return socket_; }

 private:
  asio::ip::tcp::socket socket_;
};

class TlsStream : public ByteStream {
 public:
  TlsStream(asio::ip::tcp::socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}
  asio::awaitable<bool> Handshake() override {
    const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAwait);
    co_return !error;
  }
  asio::awaitable<size_t> Read(char* to, size_t most) override { return ReadSome(stream_, to, most); }
  asio::awaitable<bool> Write(std::string_view bytes) override { return WriteAll(stream_, bytes); }
  asio::ip::tcp::socket& socket() override { return stream_.next_layer(); }

 private:
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
};

}  // namespace hew
