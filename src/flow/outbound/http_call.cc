#include "flow/outbound/http_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace sb::flow {
namespace {

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : to_text(value);
}

/// The operator's secrets go to the service, and nowhere else.
std::string without_secrets(const OperatorSecrets& secrets, std::string_view text) {
  auto apart = secrets.apart(text);
  for (auto& secret : apart.secrets) secret = "***";
  return apart.whole();
}

/// "session=***; Path=/": what the service gave is a credential.
std::string cookie_without_value(std::string_view cookie) {
  const auto equals = cookie.find('=');
  const auto end = std::min(cookie.find(';'), cookie.size());
  if (equals >= end) return std::string(cookie);
  return std::string(cookie.substr(0, equals + 1)) + "***" + std::string(cookie.substr(end));
}

bool sane_header(std::string_view text) {
  return text.find_first_of("\r\n") == std::string_view::npos && text.find('\0') == std::string_view::npos;
}

/// The flow's own; what the connection is about is the client's work. Nothing: one of them has a line break.
std::optional<std::vector<std::pair<std::string, std::string>>> own_headers(const json::value& headers) {
  std::vector<std::pair<std::string, std::string>> own;
  if (!headers.is_object()) return own;
  for (const auto& [name, value] : headers.get_object()) {
    std::string text = text_of(value);
    if (!sane_header(name) || !sane_header(text)) return std::nullopt;
    std::string lower = to_lower(name);
    if (lower == "host" || lower == "content-length" || lower == "connection" || lower == "transfer-encoding") continue;
    own.emplace_back(std::move(lower), std::move(text));
  }
  return own;
}

}  // namespace

void read_endpoint(const json::value& endpoint, HttpQuestion& question) {
  if (const auto* text = endpoint.if_string()) {
    question.url = *text;
    return;
  }
  question.url = string_member(endpoint, "uri");
  if (const auto* authentication = find_member(endpoint, "authentication")) question.authentication = *authentication;
}

void query_into_url(HttpQuestion& question) {
  const json::value query = std::exchange(question.query, nullptr);
  const auto* object = query.if_object();
  if (!object) return;
  std::string& url = question.url;
  const auto hash = url.find('#');
  if (hash != std::string::npos) url.resize(hash);
  const auto add = [&](std::string_view key, const json::value& value) {
    url += url.find('?') == std::string::npos ? '?' : '&';
    url += http::percent_encode(key) + '=' + http::percent_encode(text_of(value));
  };
  for (const auto& [key, value] : *object) {
    if (value.is_null()) continue;
    if (const auto* many = value.if_array()) {
      for (const auto& one : *many) add(key, one);
    } else {
      add(key, value);
    }
  }
}

namespace {

Problem without_answer(Problem problem) {
  problem.is_answer = false;
  return problem;
}

}  // namespace

Problem problem_of_call(const Error& error) {
  switch (error.code) {
    case Errc::permission_denied:
      return standard_problem("authorization", 403, "The call is not allowed", error.detail);
    case Errc::invalid_argument:
      return standard_problem("validation", 400, "The call is not valid", error.detail);
    case Errc::upstream_timeout:
      return without_answer(standard_problem("timeout", 408, "The service did not answer in time", error.detail));
    default:
      return without_answer(standard_problem("communication", 503, "The service could not be reached", error.detail));
  }
}

bool is_json_type(std::string_view content_type) {
  const auto media = trim(content_type.substr(0, content_type.find(';')));
  return media == "application/json" || media.ends_with("+json");
}

bool HttpAnswer::is_json() const {
  const auto* type = headers.if_contains("content-type");
  return type && type->is_string() && is_json_type(type->get_string());
}

json::value HttpAnswer::output(std::string_view as) const {
  if (as == "raw") return json::string(to_base64(body));
  json::value content = nullptr;
  if (!body.empty()) content = json::string(body);
  if (is_json() && !body.empty()) {
    if (auto parsed = parse_json(body)) content = *std::move(parsed);
  }
  if (as != "response") return content;
  return json::object{{"request", request}, {"statusCode", status}, {"headers", headers}, {"content", content}};
}

Task<Outcome<HttpAnswer>> Outbound::exchange(const HttpQuestion& question, const Destination& to,
                                             std::string authorization, const OperatorSecrets& secrets) {
  http::ClientRequest request;
  request.method = question.method;
  request.origin = to.origin;
  request.target = to.target;
  request.cancel = question.cancel;
  request.http2 = question.http2;
  const auto* clear = question.in_clear ? &*question.in_clear : nullptr;
  if (question.body) request.body = clear ? *clear->body : *question.body;
  HttpAnswer answer;
  json::object sent;
  const auto add = [&](std::string name, std::string value) {
    sent[name] = value;
    request.headers.add(std::move(name), std::move(value));
  };
  const auto said = own_headers(question.headers);
  const auto meant = clear ? own_headers(clear->headers) : said;
  if (!said || !meant)
    co_return std::unexpected(
        standard_problem("validation", 400, "The call is not valid", "a header has a line break"));
  for (const auto& [name, value] : *said) sent[name] = value;
  for (const auto& [name, value] : *meant) request.headers.add(name, value);
  if (question.body && !request.headers.has("content-type")) add("content-type", "application/json");
  if (!question.http2 && !request.headers.has("accept")) add("accept", "application/json, */*");
  if (!question.idempotency_key.empty() && question.method != "GET" && question.method != "HEAD" &&
      !request.headers.has("idempotency-key"))
    add("idempotency-key", question.idempotency_key);
  if (!authorization.empty()) request.headers.set("authorization", authorization);
  for (const char* credential : {"authorization", "proxy-authorization", "cookie"}) sent.erase(credential);
  for (auto& [name, value] : sent) value = without_secrets(secrets, value.get_string());
  answer.request = json::object{
      {"method", question.method}, {"uri", without_secrets(secrets, question.url)}, {"headers", std::move(sent)}};
  auto response = co_await client_.send(std::move(request));
  if (!response) co_return std::unexpected(problem_of_call(response.error()));
  auto body = co_await (*response)->read_all(question.answer_bytes_max);
  if (!body) co_return std::unexpected(problem_of_call(body.error()));
  answer.status = (*response)->status();
  for (const auto& [name, value] : (*response)->headers()) {
    const std::string lower = to_lower(name);
    answer.headers[lower] = lower == "set-cookie" ? cookie_without_value(value) : value;
  }
  for (const auto& [name, value] : (*response)->trailers()) answer.trailers[to_lower(name)] = value;
  answer.body = *std::move(body);
  co_return answer;
}

Task<Outcome<HttpAnswer>> Outbound::ask(HttpQuestion question, json::object secrets) {
  std::ranges::transform(question.method, question.method.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  query_into_url(question);
  const auto to = egress_.resolve(question.in_clear ? question.in_clear->url : question.url);
  if (!to) co_return std::unexpected(problem_of_call(to.error()));
  const OperatorSecrets own(secrets);
  auto signer = co_await credentials(question.authentication, std::move(secrets), question.cancel);
  if (!signer) co_return std::unexpected(signer.error());
  std::string authorization = signer->scheme.empty() ? std::string() : signer->scheme + " " + signer->parameter;
  auto answer = co_await exchange(question, *to, authorization, own);
  if (answer && answer->status == 401 && signer->digest) {
    const auto* challenge = answer->headers.if_contains("www-authenticate");
    authorization = challenge && challenge->is_string()
                        ? digest_authorization(challenge->get_string(), question.method, to->target, signer->username,
                                               signer->password, fmt::format("{:016x}", entropy_.next_u64()))
                        : std::string();
    if (!authorization.empty()) answer = co_await exchange(question, *to, authorization, own);
  }
  if (!answer) co_return answer;
  const int status = answer->status;
  const bool fine = (status >= 200 && status < 300) || (question.redirect_is_fine && status >= 300 && status < 400);
  if (!fine) {
    // The specification: a call that fails is a communication error. Its body is not repeated: it may hold anything.
    co_return std::unexpected(standard_problem("communication", status, std::string(http::reason_phrase(status)),
                                               fmt::format("the service answered with status {}", status)));
  }
  if (!signer->scheme.empty())
    answer->authorization = json::object{{"scheme", signer->scheme}, {"parameter", signer->parameter}};
  co_return answer;
}

}  // namespace sb::flow
