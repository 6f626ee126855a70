#include "flow/outbound/openapi.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "flow/outbound/described_api.h"

namespace sb::flow {
namespace {

std::unexpected<Problem> refuse(std::string detail) {
  return std::unexpected(standard_problem("validation", 400, "The OpenAPI call is not valid", std::move(detail)));
}

Result<std::string> base_url(const json::value& document, std::string_view document_url) {
  const auto scheme_end = document_url.find("://");
  const auto origin = document_url.substr(0, document_url.find('/', scheme_end + 3));
  if (const auto* servers = find_member(document, "servers");
      servers && servers->is_array() && !servers->get_array().empty()) {
    const auto& server = servers->get_array()[0];
    SB_TRY(auto url, with_server_variables(std::string(string_member(server, "url")), server, nullptr));
    if (url.starts_with('/')) url.insert(0, origin);
    while (url.ends_with('/')) url.pop_back();
    return url;
  }
  std::string_view scheme = document_url.substr(0, scheme_end);
  if (const auto* schemes = find_member(document, "schemes"); schemes && schemes->is_array()) {
    bool same = false;
    for (const auto& one : schemes->get_array()) same = same || (one.is_string() && one.get_string() == scheme);
    if (!same && !schemes->get_array().empty() && schemes->get_array()[0].is_string())
      scheme = schemes->get_array()[0].get_string();
  }
  const auto host = string_member(document, "host", origin.substr(scheme_end + 3));
  std::string base(string_member(document, "basePath"));
  while (base.ends_with('/')) base.pop_back();
  return fmt::format("{}://{}{}", scheme, host, base);
}

struct Operation {
  std::string method, path;
  const json::value* item;
  const json::value* operation;
};

std::optional<Operation> find_operation(const json::value& document, std::string_view id) {
  const auto* paths = find_member(document, "paths");
  if (!paths || !paths->is_object()) return std::nullopt;
  for (const auto& [path, item] : paths->get_object()) {
    if (!item.is_object()) continue;
    for (const auto& [method, operation] : item.get_object()) {
      if (string_member(operation, "operationId") == id)
        return Operation{std::string(method), std::string(path), &item, &operation};
    }
  }
  return std::nullopt;
}

}  // namespace

Outcome<HttpQuestion> openapi_request(const json::value& document, std::string_view document_url,
                                      std::string_view operation_id, const json::value& parameters) {
  const auto found = find_operation(document, operation_id);
  if (!found) return refuse(fmt::format("the document has no operation `{}`", operation_id));
  json::object left = parameters.is_object() ? parameters.get_object() : json::object();
  HttpQuestion question;
  question.method = found->method;
  std::string path = found->path;
  json::object query, headers;
  bool form = false;
  json::object form_fields;
  for (const auto* of : {found->item, found->operation}) {
    const auto* declared = find_member(*of, "parameters");
    if (!declared || !declared->is_array()) continue;
    for (const auto& entry : declared->get_array()) {
      const auto* parameter = follow_ref(document, &entry);
      if (!parameter) continue;
      const std::string name(string_member(*parameter, "name"));
      const auto in = string_member(*parameter, "in");
      const auto given = left.find(name);
      if (given == left.end()) {
        if (bool_member(*parameter, "required") && in != "body")
          return refuse(fmt::format("parameter `{}` is missing", name));
        continue;
      }
      const json::value value = given->value();
      left.erase(given);
      if (in == "path") {
        const auto hole = fmt::format("{{{}}}", name);
        if (const auto at = path.find(hole); at != std::string::npos)
          path.replace(at, hole.size(), http::percent_encode(parameter_text(value)));
      } else if (in == "query") {
        const bool many = string_member(*parameter, "collectionFormat", "multi") == "multi";
        query[name] = value.is_array() && !many ? json::value(json::string(parameter_text(value))) : value;
      } else if (in == "header") {
        headers[name] = parameter_text(value);
      } else if (in == "cookie") {
        auto& cookies = headers["cookie"];
        const auto others = cookies.is_string() ? std::string(cookies.get_string()) + "; " : std::string();
        cookies = fmt::format("{}{}={}", others, name, http::percent_encode(parameter_text(value)));
      } else if (in == "body") {
        question.body = to_text(value);
      } else if (in == "formData") {
        form = true;
        form_fields[name] = value;
      }
    }
  }
  if (form) {
    std::string text;
    for (const auto& [name, value] : form_fields)
      text += fmt::format("{}{}={}", text.empty() ? "" : "&", http::percent_encode(name),
                          http::percent_encode(parameter_text(value)));
    question.body = std::move(text);
    headers["content-type"] = "application/x-www-form-urlencoded";
  }
  if (!question.body && find_member(*found->operation, "requestBody") && !left.empty()) {
    const auto* whole = left.if_contains("body");
    question.body = to_text(whole && left.size() == 1 ? *whole : json::value(left));
  }
  const auto base = base_url(document, document_url);
  if (!base) return refuse(base.error().detail);
  question.url = *base + path;
  question.query = std::move(query);
  question.headers = std::move(headers);
  return question;
}

}  // namespace sb::flow
