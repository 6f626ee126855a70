#include <fmt/format.h>

#include "base/json.h"
#include "model/error_body.h"
#include "model/openai_wire.h"
#include "model/provider_http.h"

namespace sb::model {
namespace {

constexpr std::string_view kDone = "[DONE]";

// The provider's answer that is no 2xx: its own error object verbatim, or nothing where it sent a page.
Task<Result<ChatReply>> read_refusal(http::ClientResponse& response, std::size_t bytes_max) {
  ChatReply reply;
  reply.status = response.status();
  reply.headers = headers_worth_passing(response.headers());
  auto body = co_await response.read_all(bytes_max);
  // The status alone is worth reporting, also when the page behind it is cut.
  if (body && is_openai_error(*body)) reply.body = *std::move(body);
  co_return reply;
}

// Chunks as the provider sends them. Ends well only with [DONE].
class OpenAiStream final : public ChatStream {
 public:
  OpenAiStream(std::unique_ptr<UpstreamBody> body, const ChatCall& call)
      : events_(std::move(body)),
        request_body_(call.body),
        want_usage_(call.want_usage),
        reported_model_(call.reported_model) {}

  Task<Result<std::optional<std::string>>> next() override {
    const Executor executor = co_await asio::this_coro::executor;
    while (!done_ && !error_) {
      auto data = co_await events_.next();
      if (!data) {
        error_ = std::move(data).error();
      } else if (*data == kDone) {
        done_ = true;
      } else if (!data->empty()) {
        auto chunk = take(*std::move(data));
        if (!chunk)
          error_ = std::move(chunk).error();
        else if (!chunk->empty())
          co_return std::optional<std::string>(*std::move(chunk));
      }
    }
    events_.close(done_, executor);
    if (error_) co_return std::unexpected(*error_);
    co_return std::optional<std::string>();
  }

  bool is_ready() const override { return events_.is_ready(); }

  Usage usage() const override {
    if (usage_) return *usage_;
    Usage usage;
    usage.estimated = true;
    usage.input_tokens = estimate_input_tokens(request_body_);
    usage.output_tokens = output_.tokens();
    return usage;
  }

  std::string_view error_body() const override { return error_body_; }

 private:
  // The chunk to hand out; empty where it is for us alone.
  Result<std::string> take(std::string payload) {
    SB_TRY(ChunkFacts chunk, read_chunk(std::move(payload), reported_model_, output_));
    if (chunk.is_error) {
      error_body_ = std::move(chunk.payload);
      return fail(Errc::upstream_error, "the provider reported an error in its stream");
    }
    if (chunk.usage) {
      usage_ = chunk.usage;
      if (!chunk.has_choices && !want_usage_) return std::string();
    }
    return std::move(chunk.payload);
  }

  EventReader events_;
  std::string_view request_body_;
  bool want_usage_;
  std::string reported_model_;
  bool done_ = false;
  std::optional<Error> error_;
  std::string error_body_;
  std::optional<Usage> usage_;
  TokenEstimate output_;
};

class OpenAiProvider final : public Provider {
 public:
  OpenAiProvider(const ProviderConfig& config, http::Client& client)
      : endpoint_(config, client, KeyStyle::bearer, {}) {}

  Task<Result<ChatReply>> chat(ChatCall call, UpstreamModel model) override {
    SB_CO_TRY(const std::string body, edit_chat_request(call.body, {model.name, false}));
    co_return co_await post("/chat/completions", "choices", body, call, model);
  }

  Task<Result<ChatReply>> embeddings(ChatCall call, UpstreamModel model) override {
    SB_CO_TRY(const std::string body, replace_model(call.body, model.name));
    co_return co_await post("/embeddings", "data", body, call, model);
  }

  Task<Result<StreamStart>> chat_stream(ChatCall call, UpstreamModel model) override {
    SB_CO_TRY(const std::string body, edit_chat_request(call.body, {model.name, true}));
    auto upstream = std::make_unique<UpstreamBody>(call.cancel);
    ChatCall linked = call;
    linked.cancel = upstream->cancel();
    SB_CO_TRY(auto response, co_await endpoint_.post("/chat/completions", body, linked, model.time_left, true));
    upstream->set(std::move(response));
    auto& head = upstream->response();
    StreamStart start;
    if (head.status() >= 300) {
      SB_CO_TRY(start.head, co_await read_refusal(head, endpoint_.config().reply_bytes_max));
      co_return start;
    }
    if (!is_event_stream(head.headers())) {
      co_return fail(Errc::upstream_invalid, "the provider answered a stream request with something else");
    }
    start.head.headers = headers_worth_passing(head.headers());
    start.stream = std::make_unique<OpenAiStream>(std::move(upstream), call);
    co_return start;
  }

  Task<Result<std::vector<std::string>>> list_models(CancelSource* cancel) override {
    SB_CO_TRY(auto response, co_await endpoint_.get("/models", cancel));
    if (response->status() != 200) {
      co_return fail(Errc::upstream_error, fmt::format("GET /models answered {}", response->status()));
    }
    SB_CO_TRY(const std::string body, co_await response->read_all(endpoint_.config().reply_bytes_max));
    const auto parsed = parse_json(body);
    const auto* data = parsed ? find_member(*parsed, "data") : nullptr;
    if (!data || !data->is_array()) co_return fail(Errc::upstream_invalid, "GET /models answered without \"data\"");
    std::vector<std::string> names;
    for (const auto& model : data->get_array()) names.emplace_back(string_member(model, "id"));
    co_return names;
  }

 private:
  Task<Result<ChatReply>> post(std::string_view path, std::string_view list, std::string_view body, ChatCall call,
                               UpstreamModel model) {
    SB_CO_TRY(auto response, co_await endpoint_.post(path, body, call, model.time_left, false));
    const std::size_t bytes_max = endpoint_.config().reply_bytes_max;
    if (response->status() >= 300) co_return co_await read_refusal(*response, bytes_max);
    ChatReply reply;
    reply.status = response->status();
    reply.headers = headers_worth_passing(response->headers());
    SB_CO_TRY(std::string text, co_await response->read_all(bytes_max));
    SB_CO_TRY(auto facts, read_reply(std::move(text), list, call.reported_model));
    if (facts.usage) {
      reply.usage = *facts.usage;
    } else {
      reply.usage.estimated = true;
      reply.usage.input_tokens = estimate_input_tokens(call.body);
      reply.usage.output_tokens = estimate_output_tokens(facts.body);
    }
    reply.body = std::move(facts.body);
    co_return reply;
  }

  ProviderEndpoint endpoint_;
};

}  // namespace

std::unique_ptr<Provider> make_openai_provider(const ProviderConfig& config, http::Client& client) {
  return std::make_unique<OpenAiProvider>(config, client);
}

std::unique_ptr<Provider> make_provider(const ProviderConfig& config, http::Client& client, const Clock& clock) {
  if (config.type == ProviderType::anthropic) return make_anthropic_provider(config, client, clock);
  return make_openai_provider(config, client);
}

}  // namespace sb::model
