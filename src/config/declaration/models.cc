// `providers`, `tiers`, `models`: who answers, by which name.
#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "config/declaration/forms.h"
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

bool is_header_name(std::string_view text) {
  // Credentials belong into `api_key`: there they are a reference and never printed.
  static constexpr std::string_view kOurs[] = {"authorization", "api-key",           "x-api-key",      "host",
                                               "connection",    "transfer-encoding", "content-length", "cookie"};
  const bool token = !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return token && std::ranges::none_of(kOurs, [&](auto name) { return iequals(name, text); });
}

constexpr TextForm kHeaderName{"^[A-Za-z0-9_-]{1,128}$",
                               "a header name that Signalbox does not set itself (credentials go into api_key)",
                               is_header_name};

auto model_entry() {
  using P = PriceConfig;
  static constexpr const char* kUnit = "micro-units of `currency` per 1,000,000 tokens";
  auto price =
      declare<P>("What the provider charges; costs, budgets and savings are computed from it.")
          .integer("input", &P::input, {.about = "For tokens of the prompt.", .unit = kUnit, .max = kMaxMicro})
          .integer("cached_input", &P::cached_input,
                   {.about = "For prompt tokens the provider had in its cache; without it, as `input`.",
                    .unit = kUnit,
                    .max = kMaxMicro})
          .integer("output", &P::output, {.about = "For tokens of the answer.", .unit = kUnit, .max = kMaxMicro});
  using M = ProviderModelConfig;
  return declare<M>("One model of the provider, under the name that tiers and clients use.")
      .text("upstream", &M::upstream, {.about = "The provider's own name for it; empty means the same name."})
      .section("price", &M::price, price)
      .integer("context_tokens", &M::context_tokens,
               {.about = "Longest prompt and answer together.", .unit = "tokens", .min = 1, .max = 100'000'000});
}

auto provider_timeouts() {
  using T = TimeoutsConfig;
  return declare<T>("How long to wait for the provider.")
      .integer("connect_ms", &T::connect_ms,
               {.about = "To a connection, TLS included.", .unit = "ms", .min = 1, .max = kDayMs})
      .integer("first_byte_ms", &T::first_byte_ms,
               {.about = "From the request to the first byte of the answer.", .unit = "ms", .min = 1, .max = kDayMs})
      .integer("idle_ms", &T::idle_ms,
               {.about = "Longest silence inside an answer.", .unit = "ms", .min = 1, .max = kDayMs})
      .integer("total_ms", &T::total_ms, {.about = "For the whole answer.", .unit = "ms", .min = 1, .max = kDayMs});
}

}  // namespace

Declaration<ProviderConfig> provider_section() {
  using R = RetriesConfig;
  auto retries =
      declare<R>("What happens when the provider fails before its answer began.")
          .integer("max", &R::max, {.about = "Tries after the first one.", .max = 10})
          .integer(
              "base_ms", &R::base_ms,
              {.about = "First pause; it doubles with every try, with jitter.", .unit = "ms", .min = 1, .max = 60'000})
          .integer("cap_ms", &R::cap_ms,
                   {.about = "Longest pause, also where the provider asks for more.",
                    .unit = "ms",
                    .min = 1,
                    .max = 600'000});
  using B = BreakerConfig;
  auto breaker =
      declare<B>("When to stop asking a provider that fails.")
          .integer("failures", &B::failures,
                   {.about = "Failures in a row, by the provider's own fault, that open the breaker.",
                    .min = 1,
                    .max = 1000})
          .integer(
              "open_ms", &B::open_ms,
              {.about = "How long it stays open before one trial request.", .unit = "ms", .min = 1, .max = 3'600'000});
  using P = ProviderConfig;
  return declare<P>("One endpoint that serves models.")
      .choice("type", &P::type, {{"openai", ProviderType::openai}, {"anthropic", ProviderType::anthropic}},
              {.about = "The protocol it speaks: OpenAI's (also vLLM, llama.cpp, Ollama, Azure's v1 endpoint) or "
                        "Anthropic Messages."})
      .text("base_url", &P::base_url,
            {.about = "Address up to and with the version, such as https://api.openai.com/v1.",
             .form = &kUrl,
             .required = true})
      .secret("api_key", &P::api_key, {.about = "The key sent to the provider; leave it out where none is needed."})
      .text("organization", &P::organization,
            {.about = "Sent as OpenAI-Organization where not empty.", .form = &kHeaderValue})
      .texts("headers", &P::headers,
             {.about = "Further headers for every request to it.",
              .max = 32,
              .form = &kHeaderValue,
              .names = &kHeaderName})
      .map("models", &P::models, model_entry(),
           {.about = "The models it serves, by name.", .max = 1000, .names = &kModelName})
      .section("timeouts", &P::timeouts, provider_timeouts())
      .integer("max_connections", &P::max_connections,
               {.about = "Connections to it from the whole server.", .min = 1, .max = 65'536})
      .section("retries", &P::retries, retries)
      .section("breaker", &P::breaker, breaker)
      .boolean("local", &P::local,
               {.about = "It runs on your own machines: may see what a policy routes to local models."});
}

Declaration<TierConfig> tier_section() {
  using D = DeploymentConfig;
  auto deployment = declare<D>("One model that can answer for the tier.")
                        .text("provider", &D::provider, {.about = "A name under `providers`.", .required = true})
                        .text("model", &D::model, {.about = "A name under that provider's `models`.", .required = true})
                        .integer("weight", &D::weight,
                                 {.about = "Share of the requests among deployments of one priority; 0 takes none.",
                                  .max = 1'000'000})
                        .integer("priority", &D::priority,
                                 {.about = "Lower is tried first; the next priority is the fallback.", .max = 1000});
  return declare<TierConfig>("What answers when triage chooses this tier.")
      .list("deployments", &TierConfig::deployments, deployment,
            {.about = "Who can answer, in order of priority.", .min = 1, .max = 64, .required = true});
}

Declaration<ModelsConfig> models_section() {
  auto automatic = declare<AutoModelConfig>("The virtual model `auto`: triage decides.")
                       .boolean("enabled", &AutoModelConfig::enabled, {.about = "Whether clients may ask for `auto`."});
  return declare<ModelsConfig>("Names that clients may ask for besides tiers and provider models.")
      .section("auto", &ModelsConfig::automatic, automatic)
      .texts("aliases", &ModelsConfig::aliases,
             {.about = "Other names for `auto`, for a tier or for provider/model.",
              .max = 1000,
              .form = &kModelName,
              .names = &kModelName});
}

}  // namespace sb::config
