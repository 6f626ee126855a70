#include "model/anthropic_reply.h"
#include "model/anthropic_request.h"
#include "model/provider_http.h"

namespace sb::model {
namespace {

constexpr std::string_view kVersion = "2023-06-01";

// Ends well only with message_stop.
class AnthropicStream final : public ChatStream {
 public:
  AnthropicStream(std::unique_ptr<UpstreamBody> body, const ChatCall& call, AnthropicReplyOptions options)
      : events_(std::move(body)), request_body_(call.body), translator_(std::move(options), call.want_usage) {}

  Task<Result<std::optional<std::string>>> next() override {
    const Executor executor = co_await asio::this_coro::executor;
    while (chunks_.empty() && !translator_.finished() && !error_) {
      auto data = co_await events_.next();
      if (!data) {
        error_ = std::move(data).error();
      } else if (!data->empty()) {
        if (auto fed = translator_.feed(*data, chunks_); !fed) error_ = std::move(fed).error();
      }
    }
    if (!chunks_.empty()) {
      std::optional<std::string> chunk = std::move(chunks_.front());
      chunks_.pop_front();
      co_return chunk;
    }
    events_.close(translator_.finished(), executor);
    if (error_) co_return std::unexpected(*error_);
    co_return std::optional<std::string>();
  }

  bool is_ready() const override { return events_.is_ready(); }

  Usage usage() const override {
    Usage usage = translator_.usage();
    if (usage.estimated && usage.input_tokens == 0) usage.input_tokens = estimate_input_tokens(request_body_);
    return usage;
  }

  std::string_view error_body() const override { return translator_.error_body(); }

 private:
  EventReader events_;
  std::string_view request_body_;
  AnthropicStreamTranslator translator_;
  std::deque<std::string> chunks_;
  std::optional<Error> error_;
};

class AnthropicProvider final : public Provider {
 public:
  AnthropicProvider(const ProviderConfig& config, http::Client& client, const Clock& clock)
      : endpoint_(config, client, KeyStyle::x_api_key, {{"anthropic-version", std::string(kVersion)}},
                  error_from_anthropic),
        clock_(clock) {}

  Task<Result<ChatReply>> chat(ChatCall call, UpstreamModel model) override {
    SB_CO_TRY(const AnthropicRequest request, translate(call, model, false));
    SB_CO_TRY(ChatReply reply, co_await endpoint_.call(path("/messages"), request.body, call, model.time_left));
    if (reply.status >= 300) co_return reply;
    SB_CO_TRY(TranslatedReply translated, from_anthropic(reply.body, reply_options(call, request)));
    reply.usage = translated.usage;
    if (reply.usage.estimated) reply.usage.input_tokens = estimate_input_tokens(call.body);
    reply.body = std::move(translated.body);
    co_return reply;
  }

  Task<Result<StreamStart>> chat_stream(ChatCall call, UpstreamModel model) override {
    SB_CO_TRY(const AnthropicRequest request, translate(call, model, true));
    SB_CO_TRY(auto opened, co_await endpoint_.open_stream(path("/messages"), request.body, call, model.time_left));
    StreamStart start;
    start.head = std::move(opened.head);
    if (opened.body) {
      start.stream = std::make_unique<AnthropicStream>(std::move(opened.body), call, reply_options(call, request));
    }
    co_return start;
  }

  Task<Result<ChatReply>> embeddings(ChatCall, UpstreamModel) override {
    co_return fail(Errc::unsupported, "Anthropic has no embeddings; ask for another provider's model", "model");
  }

  Task<Result<std::vector<std::string>>> list_models(CancelSource* cancel) override {
    co_return co_await endpoint_.list_models(path("/models"), cancel);
  }

 private:
  Result<AnthropicRequest> translate(const ChatCall& call, const UpstreamModel& model, bool stream) const {
    return to_anthropic(call.body, model.name, stream, endpoint_.config().default_max_tokens);
  }

  AnthropicReplyOptions reply_options(const ChatCall& call, const AnthropicRequest& request) const {
    return {std::string(call.reported_model), request.answer_tool, clock_.now_us() / 1'000'000};
  }

  // "https://api.anthropic.com" and ".../v1" both mean the same.
  std::string path(std::string_view name) const { return (endpoint_.has_path() ? "" : "/v1") + std::string(name); }

  ProviderEndpoint endpoint_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Provider> make_anthropic_provider(const ProviderConfig& config, http::Client& client,
                                                  const Clock& clock) {
  return std::make_unique<AnthropicProvider>(config, client, clock);
}

}  // namespace sb::model
