#include "cli/api_client.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <fstream>

#include "base/bytes.h"
#include "http/client.h"

namespace sb::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 << 20;

Result<std::string> key_of(const Invocation& invocation) {
  if (const std::string file = invocation.get("key-file"); !file.empty()) {
    std::ifstream in(file);
    std::string key;
    if (!in || !(in >> key)) return fail(Errc::not_found, fmt::format("cannot read a key from {}", file));
    return key;
  }
  const char* key = std::getenv("SIGNALBOX_API_KEY");
  return std::string(key ? key : "");
}

struct Answer {
  int status = 0;
  std::string body;
};

Task<Result<Answer>> exchange(http::Client& client, http::ClientRequest request) {
  SB_CO_TRY(auto response, co_await client.send(std::move(request)));
  Answer answer{response->status(), {}};
  SB_CO_TRY(answer.body, co_await response->read_all(kAnswerBytesMax));
  co_return answer;
}

}  // namespace

Command& add_api_flags(Command& command) {
  return command.option("url", "URL", "where the server listens", "http://127.0.0.1:8080")
      .option("key-file", "FILE", "file that holds the API key (else the environment's SIGNALBOX_API_KEY)");
}

Result<json::value> call_api(const Invocation& invocation, std::string_view method, std::string_view path,
                             std::string body) {
  SB_TRY(const auto url, http::Url::parse(invocation.get("url")));
  SB_TRY(const auto key, key_of(invocation));
  asio::io_context io;
  const auto client = http::Client::create(io, {});
  http::ClientRequest request;
  request.method = std::string(method);
  request.origin = url;
  request.target = url.path + std::string(path);
  request.headers.add("content-type", "application/json");
  if (!key.empty()) request.headers.add("authorization", "Bearer " + key);
  request.body = body;
  Result<Answer> answer = fail(Errc::unavailable, "no answer");
  asio::co_spawn(io, exchange(*client, std::move(request)), [&](std::exception_ptr, Result<Answer> got) {
    answer = std::move(got);
    io.stop();
  });
  io.run();
  if (!answer) return fail(answer.error().code, fmt::format("{}: {}", invocation.get("url"), answer.error().detail));
  auto parsed = parse_json(answer->body);
  if (answer->status >= 400) {
    return fail(Errc::internal, parsed ? std::string(string_member(*parsed, "detail", "the server refused"))
                                       : fmt::format("status {}", answer->status));
  }
  return parsed;
}

}  // namespace sb::cli
