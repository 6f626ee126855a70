#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "model/simulate.h"

namespace sb::model {
namespace {

constexpr std::chrono::seconds kDrain{5};

// Written aside and renamed: who waits for the file never reads half a number.
Result<> write_port_file(const std::string& path, std::uint16_t port) {
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::trunc);
  file << port << '\n';
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(part, path, error);
  if (file && !error) return {};
  return fail(Errc::unavailable, fmt::format("--port-file: cannot write \"{}\"", path), "--port-file");
}

int complain(const Error& error, int status) {
  fmt::print(stderr, "signalbox simulate: {}\n", error.detail);
  return status;
}

Task<void> drain_and_stop(http::Server& server, asio::io_context& io) {
  co_await server.drain(kDrain);
  io.stop();
}

int serve(const SimulateOptions& options) {
  asio::io_context io(1);
  auto simulator = Simulator::create(io, options);
  if (!simulator) return complain(simulator.error(), 1);
  http::ServerOptions listen;
  listen.host = options.host;
  listen.port = options.port;
  auto server = http::Server::create(io, listen, (*simulator)->handler());
  if (!server) return complain(server.error(), 1);
  (*server)->start();
  if (!options.port_file.empty()) {
    if (auto written = write_port_file(options.port_file, (*server)->port()); !written) {
      return complain(written.error(), 1);
    }
  }
  fmt::print("simulated provider (no model behind it) on http://{}:{}/v1\n", options.host, (*server)->port());
  std::fflush(stdout);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) asio::co_spawn(io.get_executor(), drain_and_stop(**server, io), asio::detached);
  });
  io.run();
  return 0;
}

}  // namespace

int simulate_command(std::span<const std::string> args) {
  for (const auto& arg : args) {
    if (arg == "--help" || arg == "-h") {
      fmt::print("{}", kSimulateHelp);
      return 0;
    }
  }
  const auto options = parse_simulate_options(args);
  if (!options) return complain(options.error(), 2);
  return serve(*options);
}

}  // namespace sb::model
