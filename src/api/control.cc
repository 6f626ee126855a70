#include "api/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "flow/caller_names.h"

namespace sb::api {

std::size_t limit_of(const http::Request& request, std::size_t otherwise) {
  std::size_t limit = otherwise;
  if (const auto text = request.query_param("limit")) std::from_chars(text->data(), text->data() + text->size(), limit);
  return std::clamp<std::size_t>(limit, 1, 1'000);
}

json::value time_or_null(Micros us) {
  return us == 0 ? json::value(nullptr) : json::value(rfc3339(us));
}

json::value json_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : parse_json(text).value_or(nullptr);
}

bool may_see(const Caller& caller, std::string_view tenant) {
  return caller.role == Role::admin || caller.tenant == tenant;
}

std::string tenant_scope(const Caller& caller) {
  return caller.role == Role::admin ? std::string() : caller.tenant;
}

bool is_for_all_tenants(const Caller& caller) {
  return caller.role == Role::admin || caller.tenant == kOwnTenant;
}

std::string actor_of(const Caller& caller) {
  return caller.key_id.empty() ? "local" : caller.key_id;
}

Result<> only_members(const json::value& value, const std::vector<std::string>& known) {
  if (!value.is_object()) return fail(Errc::invalid_argument, "must be a JSON object");
  for (const auto& [key, member] : value.get_object()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const auto near = nearest(key, known);
    return fail(
        Errc::invalid_argument,
        fmt::format("unknown member `{}`{}", std::string_view(key), near ? "; did you mean `" + *near + "`?" : ""),
        std::string(key));
  }
  return {};
}

namespace {

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Result<> only_texts(const json::value& value, const std::vector<std::string>& known) {
  SB_CHECK(only_members(value, known));
  for (const auto& [key, member] : value.get_object()) {
    const bool is_text = member.is_string() && is_one_line(member.get_string());
    if (!is_text)
      return fail(Errc::invalid_argument, fmt::format("`{}` is a text, in one line", std::string_view(key)),
                  std::string(key));
  }
  return {};
}

Result<std::string> subject_of(const http::Request& request) {
  constexpr std::string_view kName = "x-signalbox-subject";
  const auto is_it = [&](const http::Headers::Field& field) { return iequals(field.first, kName); };
  if (std::ranges::count_if(request.headers, is_it) > 1)
    return fail(Errc::invalid_argument, "x-signalbox-subject is there twice: a run is one person's",
                std::string(kName));
  return flow::subject_name(request.headers.get(kName));
}

Result<> same_request(const store::RunRow& run, const Caller& caller, std::string_view request_hash) {
  constexpr const char* kHeader = "Idempotency-Key";
  if (run.key != caller.key_id)
    return fail(Errc::already_exists, "this Idempotency-Key was used by another API key of the tenant", kHeader);
  if (run.request_hash != request_hash)
    return fail(Errc::already_exists, "this Idempotency-Key was used with another request", kHeader);
  return {};
}

Error no_such(std::string_view what) {
  return Error(Errc::not_found, fmt::format("no such {}", what), "id");
}

}  // namespace sb::api
