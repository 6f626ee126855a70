// `server`: where it listens, and what one client may take.
#include <string_view>

#include "base/bytes.h"
#include "config/declaration/forms.h"
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

bool is_listen(std::string_view text) {
  return parse_host_port(text).has_value();
}

constexpr TextForm kListen{"^(\\[[0-9A-Fa-f:.]+\\]|[^\\s:\\[\\]]*):[0-9]{1,5}$",
                           "host:port, such as 127.0.0.1:8080 or [::1]:8080", is_listen};

}  // namespace

Declaration<ServerConfig> server_section() {
  auto tls = declare<TlsConfig>("TLS at our own door; without it connections are plain.")
                 .path("certificate", &TlsConfig::certificate,
                       {.about = "PEM file with the certificate chain.", .required = true})
                 .path("key", &TlsConfig::key, {.about = "PEM file with the private key.", .required = true});
  using L = ServerLimits;
  auto limits =
      declare<L>("What one client may take; above a limit the answer is 408, 413, 429, 431 or 503.")
          .integer(
              "header_bytes", &L::header_bytes,
              {.about = "Largest request line and headers together.", .unit = "bytes", .min = 1024, .max = 1 << 20})
          .integer("body_bytes", &L::body_bytes,
                   {.about = "Largest request body, after decompression too.",
                    .unit = "bytes",
                    .min = 1024,
                    .max = 1LL << 30})
          .integer("header_timeout_ms", &L::header_timeout_ms,
                   {.about = "Time from the first byte of a request to the end of its headers.",
                    .unit = "ms",
                    .min = 1,
                    .max = kDayMs})
          .integer("body_timeout_ms", &L::body_timeout_ms,
                   {.about = "Longest silence while a body arrives.", .unit = "ms", .min = 1, .max = kDayMs})
          .integer("idle_timeout_ms", &L::idle_timeout_ms,
                   {.about = "How long a kept-alive connection may wait for its next request.",
                    .unit = "ms",
                    .min = 1,
                    .max = kDayMs})
          .integer("max_connections", &L::max_connections,
                   {.about = "Open client connections; more are refused.", .min = 1, .max = 1'000'000})
          .integer("max_in_flight", &L::max_in_flight,
                   {.about = "Requests in work at once; more are answered 503 with Retry-After.",
                    .min = 1,
                    .max = 1'000'000});
  using S = ServerConfig;
  return declare<S>("The HTTP server.")
      .text("listen", &S::listen,
            {.about = "Address and port to listen on; port 0 takes a free one.", .form = &kListen})
      .integer("shards", &S::shards,
               {.about = "Threads that own connections and runs; 0 is one for each core.", .max = 1024})
      .section("tls", &S::tls, tls)
      .section("limits", &S::limits, limits)
      .integer("drain_timeout_ms", &S::drain_timeout_ms,
               {.about = "How long requests in work may finish after SIGTERM.", .unit = "ms", .max = kDayMs})
      .integer("request_timeout_ms", &S::request_timeout_ms,
               {.about = "Longest time for one answer, streams included.", .unit = "ms", .min = 1, .max = kDayMs});
}

}  // namespace sb::config
