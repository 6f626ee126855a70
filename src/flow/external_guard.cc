#include "flow/external_guard.h"

#include <algorithm>

#include "base/json.h"
#include "policy/guards/member_twice.h"

namespace sb::flow {
namespace {

constexpr std::size_t kMaxReplyBytes = 64 * 1024;
constexpr std::size_t kMaxLabelBytes = 64;
constexpr std::size_t kMaxServices = 64;

// Of a service's words only a short one is passed on to the caller, and none goes into the record: they could quote
// what it saw.
std::string complaint_of(const json::value& reply) {
  const auto label = string_member(reply, "label");
  const bool plain = label.size() <= kMaxLabelBytes && std::ranges::all_of(label, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == ' ';
                     });
  return plain ? std::string(label) : std::string();
}

}  // namespace

Task<policy::CheckResult> ExternalGuard::ask(std::shared_ptr<const policy::Check> check, policy::Direction direction,
                                             std::vector<std::string> texts) {
  policy::CheckResult result{check.get(), 1, true, "no answer", {}};
  const auto url = http::Url::parse(check->url);
  if (!url) co_return result;
  if (breakers_.size() >= kMaxServices && !breakers_.contains(check->url)) breakers_.clear();
  auto& breaker = breakers_.try_emplace(check->url, model::BreakerConfig{}).first->second;
  if (!breaker.allow(clock_.now_us())) {
    result.label = "not asked: it keeps failing";
    co_return result;
  }
  json::array list;
  for (const auto& text : texts) list.push_back(json::string(text));
  const std::string body = to_text(
      json::object{{"check", check->name}, {"direction", policy::to_string(direction)}, {"texts", std::move(list)}});
  const auto reply = co_await post(*check, *url, body);
  const auto* objects = reply ? find_member(*reply, "objects") : nullptr;
  const bool answered = objects && objects->is_bool();
  // The map may have changed while we waited.
  if (const auto at = breakers_.find(check->url); at != breakers_.end())
    at->second.record(answered ? model::Cause::ok : model::Cause::server_error, clock_.now_us());
  if (!answered) co_return result;
  result.objects = objects->get_bool();
  if (!result.objects) co_return policy::CheckResult{check.get(), 0, false, {}, {}};
  result.label = "objected";
  result.complaint = complaint_of(*reply);
  co_return result;
}

Task<Result<json::value>> ExternalGuard::post(const policy::Check& check, const http::Url& url, std::string_view body) {
  http::ClientRequest request;
  request.origin = url;
  request.target = url.path.empty() ? "/" : url.path;
  request.headers.add("content-type", "application/json");
  request.body = body;
  const std::chrono::milliseconds limit(check.timeout_ms);
  request.timeouts = {limit, limit, limit, limit};
  SB_CO_TRY(const auto response, co_await client_.send(std::move(request)));
  if (response->status() != 200) co_return fail(Errc::upstream_invalid, "the service did not answer 200");
  SB_CO_TRY(const auto text, co_await response->read_all(kMaxReplyBytes));
  SB_CO_TRY(auto reply, parse_json(text));
  if (policy::has_member_twice(text)) co_return fail(Errc::upstream_invalid, "the service's answer says two things");
  co_return reply;
}

}  // namespace sb::flow
