#include "flow/grpc/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.h"

namespace sb::flow::grpc {
namespace {

constexpr std::size_t kPrefixBytes = 5;  // compressed or not, and the length
constexpr std::size_t kJsonBytesMax = 16 << 20;

struct Meaning {
  const char* name;
  const char* type;  ///< the DSL's
  int status;
};
/// By gRPC's number; HTTP statuses as google.rpc.Code has them, with 408 for time, as all calls have.
constexpr std::array<Meaning, 17> kMeanings = {{{"OK", "communication", 500},
                                                {"CANCELLED", "communication", 499},
                                                {"UNKNOWN", "communication", 500},
                                                {"INVALID_ARGUMENT", "validation", 400},
                                                {"DEADLINE_EXCEEDED", "timeout", 408},
                                                {"NOT_FOUND", "communication", 404},
                                                {"ALREADY_EXISTS", "communication", 409},
                                                {"PERMISSION_DENIED", "authorization", 403},
                                                {"RESOURCE_EXHAUSTED", "communication", 429},
                                                {"FAILED_PRECONDITION", "communication", 400},
                                                {"ABORTED", "communication", 409},
                                                {"OUT_OF_RANGE", "validation", 400},
                                                {"UNIMPLEMENTED", "communication", 501},
                                                {"INTERNAL", "communication", 500},
                                                {"UNAVAILABLE", "communication", 503},
                                                {"DATA_LOSS", "communication", 500},
                                                {"UNAUTHENTICATED", "authentication", 401}}};
constexpr int kUnknown = 2;

std::unexpected<Problem> not_valid(std::string detail) {
  return std::unexpected(standard_problem("validation", 400, "The gRPC call is not valid", std::move(detail)));
}

/// What came is no answer: nobody knows what became of the call.
std::unexpected<Problem> no_answer(std::string detail) {
  auto problem = standard_problem("communication", 502, "The answer is no gRPC", std::move(detail));
  problem.is_answer = false;
  return std::unexpected(std::move(problem));
}

bool is_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_';
  });
}

/// Its number; nothing: there is none, or it is no number.
std::optional<int> status_of(const HttpAnswer& answer) {
  for (const auto* fields : {&answer.trailers, &answer.headers}) {  // a call without a message has a head alone
    const auto* text = fields->if_contains("grpc-status");
    if (!text || !text->is_string()) continue;
    const std::string_view digits = text->get_string();
    int status = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), status);
    if (error != std::errc() || end != digits.data() + digits.size() || status < 0) return std::nullopt;
    return status;
  }
  return std::nullopt;
}

}  // namespace

Outcome<HttpQuestion> question(const json::value& with, const Method& method) {
  const auto* service = find_member(with, "service");
  const auto host = service ? string_member(*service, "host") : std::string_view();
  if (!is_host(host)) return not_valid("service.host is no name of a host");
  HttpQuestion made;
  // TLS, unless the configuration says where else requests to this host go (`via`).
  made.url = fmt::format("https://{}", host);
  if (const auto* port = find_member(*service, "port")) {
    if (!port->is_int64() || port->get_int64() < 1 || port->get_int64() > 65'535)
      return not_valid("service.port is no number from 1 to 65535");
    made.url += fmt::format(":{}", port->get_int64());
  }
  made.url += method.path();
  if (const auto* authentication = find_member(*service, "authentication")) made.authentication = *authentication;
  made.method = "POST";
  made.http2 = true;
  const http::Timeouts limits;  // ours, so that the service need not work on for nobody
  made.headers = json::object{
      {"content-type", "application/grpc"},
      {"te", "trailers"},
      {"grpc-timeout", fmt::format("{}m", (method.streams_answer() ? limits.total : limits.first_byte).count())}};
  const auto* arguments = find_member(with, "arguments");
  if (arguments && !arguments->is_object()) return not_valid("the arguments are no object");
  made.body = arguments ? to_text(*arguments) : "{}";
  made.answer_bytes_max = kAnswerBytesMax;
  return made;
}

Outcome<void> put_message(HttpQuestion& question, const Method& method) {
  for (auto* body : {&question.body, question.in_clear ? &question.in_clear->body : nullptr}) {
    if (!body || !*body) continue;
    const auto message = method.request(**body);
    if (!message) return not_valid(message.error().detail);
    *body = framed(*message);
  }
  return {};
}

std::string framed(std::string_view message) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string out = {'\0', static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                     static_cast<char>(size)};
  return out.append(message);
}

Result<std::vector<std::string_view>> messages_in(std::string_view body, std::size_t count_max) {
  std::vector<std::string_view> messages;
  while (!body.empty()) {
    if (messages.size() == count_max)
      return fail(Errc::too_large, fmt::format("the answer has more than {} messages", count_max));
    if (body.front() != '\0')
      return fail(Errc::upstream_invalid, "a message is compressed, which nobody has asked for");
    if (body.size() < kPrefixBytes) return fail(Errc::upstream_invalid, "the answer ends within a message");
    std::uint32_t size = 0;
    for (std::size_t i = 1; i < kPrefixBytes; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
    body.remove_prefix(kPrefixBytes);
    if (body.size() < size) return fail(Errc::upstream_invalid, "the answer ends within a message");
    messages.push_back(body.substr(0, size));
    body.remove_prefix(size);
  }
  return messages;
}

Problem problem_of_status(int status) {
  const auto known = static_cast<std::size_t>(status) < kMeanings.size();
  const auto& meaning = kMeanings[known ? static_cast<std::size_t>(status) : kUnknown];
  auto problem = standard_problem(meaning.type, meaning.status, "The gRPC service refused the request",
                                  fmt::format("the service answered with status {} {}", status, meaning.name));
  // Cancelled, out of time, or not there: what became of the call is not known.
  problem.is_answer = status != 1 && status != 4 && status != 14;
  return problem;
}

Outcome<std::string> answer_of(const HttpAnswer& answer, const Method& method) {
  const auto* type = answer.headers.if_contains("content-type");
  if (!type || !type->is_string() || !std::string_view(type->get_string()).starts_with("application/grpc"))
    return no_answer("the service answered with something else");
  const auto status = status_of(answer);
  if (!status) return no_answer("the answer has no status");
  if (*status != 0) return std::unexpected(problem_of_status(*status));
  const bool many = method.streams_answer();
  const auto messages = messages_in(answer.body, many ? kMessagesMax : 2);
  if (!messages) return no_answer(messages.error().detail);
  if (!many && messages->size() != 1) return no_answer("the answer is not one message");
  std::string json;
  std::size_t weight_left = kMessageWeightMax;
  for (const auto message : *messages) {
    const auto one = method.answer(message, weight_left);
    if (!one) return no_answer(one.error().detail);
    if (json.size() + one->size() > kJsonBytesMax)
      return no_answer(fmt::format("the answer has more than {} bytes of JSON", kJsonBytesMax));
    if (!json.empty()) json += ',';
    json += *one;
  }
  return many ? "[" + json + "]" : json;
}

}  // namespace sb::flow::grpc
