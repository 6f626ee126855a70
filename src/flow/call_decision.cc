#include "flow/call_decision.h"

namespace sb::flow {
namespace {

/// The price a cost was counted by: of a million tokens read, read from the provider's cache, written.
void append_price(RecordWriter& out, const model::Price& price) {
  out.key("price").begin_array();
  for (const auto part : {price.input, price.cached_input, price.output}) out.decimal(static_cast<double>(part), 0);
  out.end_array();
}

void append_attempts(RecordWriter& out, const model::Catalog& catalog, const std::vector<model::Attempt>& attempts) {
  out.key("attempts").begin_array();
  for (const auto& attempt : attempts) {
    out.begin_object();
    if (attempt.usage.cached_input_tokens > 0) out.member("cached_tokens", attempt.usage.cached_input_tokens);
    out.member("cause", RecordText::ours(model::to_string(attempt.cause)));
    out.member("cost_micro", attempt.cost).member("deployment", RecordText::configured(attempt.name));
    out.member("estimated", attempt.usage.estimated);
    out.member("input_tokens", attempt.usage.input_tokens).member("latency_us", attempt.latency_us);
    out.member("output_tokens", attempt.usage.output_tokens);
    append_price(out, catalog.deployments()[attempt.deployment].price);
    out.member("status", attempt.status).end_object();
  }
  out.end_array();
}

}  // namespace

RecordJson call_decision(Asked asked, std::string_view deployment, const model::Catalog& catalog,
                         const model::Target& target, const std::vector<model::Attempt>& attempts) {
  RecordWriter out;
  out.begin_object();
  append_attempts(out, catalog, attempts);
  out.member("chosen", RecordText::configured(deployment))
      .member("kind", asked == Asked::embedding ? RecordText("embed") : "chat");
  if (asked == Asked::streamed_chat) out.member("streamed", true);
  return std::move(out.member("target", RecordText::configured(target.name)).end_object()).take();
}

}  // namespace sb::flow
