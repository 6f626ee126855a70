#include "model/error_body.h"
#include "model/openai_wire.h"
#include "model/provider_http.h"

namespace sb::model {
namespace {

constexpr std::string_view kDone = "[DONE]";

// Its own error object verbatim.
std::string read_refusal(std::string_view body) {
  return is_openai_error(body) ? std::string(body) : std::string();
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
      : endpoint_(config, client, KeyStyle::bearer, {}, read_refusal) {}

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
    SB_CO_TRY(auto opened, co_await endpoint_.open_stream("/chat/completions", body, call, model.time_left));
    StreamStart start;
    start.head = std::move(opened.head);
    if (opened.body) start.stream = std::make_unique<OpenAiStream>(std::move(opened.body), call);
    co_return start;
  }

  Task<Result<std::vector<std::string>>> list_models(CancelSource* cancel) override {
    co_return co_await endpoint_.list_models("/models", cancel);
  }

 private:
  Task<Result<ChatReply>> post(std::string_view path, std::string_view list, std::string_view body, ChatCall call,
                               UpstreamModel model) {
    SB_CO_TRY(ChatReply reply, co_await endpoint_.call(path, body, call, model.time_left));
    if (reply.status >= 300) co_return reply;
    SB_CO_TRY(auto facts, read_reply(std::move(reply.body), list, call.reported_model));
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
