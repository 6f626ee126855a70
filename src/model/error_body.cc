#include "model/error_body.h"

#include "base/json.h"

namespace sb::model {

int http_status(Errc code) {
  switch (code) {
    case Errc::not_found:
      return 404;
    case Errc::already_exists:
      return 409;
    case Errc::lease_lost:
      return 503;
    case Errc::policy_denied:
      return 400;
    case Errc::upstream_timeout:
      return 504;
    case Errc::corrupt:
      return 500;
    case Errc::invalid_argument:
      return 400;
    case Errc::unauthenticated:
      return 401;
    case Errc::permission_denied:
      return 403;
    case Errc::rate_limited:
      return 429;
    case Errc::budget_exceeded:
      return 429;
    case Errc::too_large:
      return 413;
    case Errc::unavailable:
      return 503;
    case Errc::upstream_error:
      return 502;
    case Errc::upstream_invalid:
      return 502;
    case Errc::disk_full:
      return 503;
    case Errc::cancelled:
      return 499;
    case Errc::deadline_exceeded:
      return 504;
    case Errc::unsupported:
      return 400;
    case Errc::conflict:
      return 409;
    case Errc::internal:
      return 500;
  }
  return 500;
}

std::string_view openai_error_type(Errc code) {
  switch (code) {
    case Errc::not_found:
      return "not_found_error";
    case Errc::unauthenticated:
      return "authentication_error";
    case Errc::permission_denied:
      return "permission_error";
    case Errc::rate_limited:
      return "rate_limit_error";
    case Errc::budget_exceeded:
      return "insufficient_quota";
    case Errc::invalid_argument:
    case Errc::already_exists:
    case Errc::policy_denied:
    case Errc::too_large:
    case Errc::cancelled:
    case Errc::unsupported:
    case Errc::conflict:
      return "invalid_request_error";
    default:
      return "api_error";
  }
}

std::string_view openai_error_code(const Error& error) {
  switch (error.code) {
    case Errc::not_found:
      return error.param == "model" ? "model_not_found" : "not_found";
    case Errc::unauthenticated:
      return "invalid_api_key";
    case Errc::rate_limited:
      return "rate_limit_exceeded";
    case Errc::budget_exceeded:
      return "insufficient_quota";
    case Errc::policy_denied:
      return "content_policy_violation";
    case Errc::unsupported:
      return "unsupported_parameter";
    default:
      return to_string(error.code);
  }
}

std::string openai_error_body(const Error& error) {
  std::string out = R"({"error":{"message":)";
  append_json_string(out, error.detail);
  out += R"(,"type":)";
  append_json_string(out, openai_error_type(error.code));
  out += R"(,"param":)";
  if (error.param.empty())
    out += "null";
  else
    append_json_string(out, error.param);
  out += R"(,"code":)";
  append_json_string(out, openai_error_code(error));
  out += "}}";
  return out;
}

Errc errc_of_status(int status) {
  switch (status) {
    case 401:
      return Errc::unauthenticated;
    case 403:
      return Errc::permission_denied;
    case 404:
      return Errc::not_found;
    case 408:
    case 504:
      return Errc::upstream_timeout;
    case 409:
      return Errc::conflict;
    case 413:
      return Errc::too_large;
    case 429:
      return Errc::rate_limited;
    default:
      return status >= 400 && status < 500 ? Errc::invalid_argument : Errc::upstream_error;
  }
}

bool is_openai_error(std::string_view body) {
  const auto parsed = parse_json(body);
  const auto* error = parsed ? find_member(*parsed, "error") : nullptr;
  return error != nullptr && error->is_object();
}

}  // namespace sb::model
