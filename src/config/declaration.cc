// Every key of signalbox.yaml, once. Defaults are the member initialisers in config.h.
#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "config/schema.h"

namespace sb::config {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
// A thousand million units a day or for a million tokens: far above any price, far below overflow when summed.
constexpr std::int64_t kMaxMicro = 1'000'000'000LL * 1'000'000;

bool is_name(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 128 && alnum(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return alnum(c) || std::string_view("._:-").contains(c); });
}
bool is_model_name(std::string_view text) {
  std::string without(text);
  std::erase(without, '/');
  return !text.starts_with('/') && is_name(without);
}
bool is_header_name(std::string_view text) {
  // Credentials belong into `api_key`: there they are a reference and never printed.
  static constexpr std::string_view kOurs[] = {"authorization", "api-key",           "x-api-key",      "host",
                                               "connection",    "transfer-encoding", "content-length", "cookie"};
  const bool token = !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return token && std::ranges::none_of(kOurs, [&](auto name) { return iequals(name, text); });
}
bool is_header_value(std::string_view text) {
  return text.size() <= 4096 && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 127; });
}
bool is_url(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto host = text.substr(scheme.size());
    return !host.empty() && host.front() != '/' && host.front() != ':' && text.size() <= 2048 &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; }) && !host.contains('@');
  }
  return false;
}
bool is_optional_url(std::string_view text) {
  return text.empty() || is_url(text);
}
bool is_verifier_key(std::string_view text) {
  const auto name = text.find('+');
  if (name == 0 || name == std::string_view::npos || text.find_first_of(" \t\r\n") != std::string_view::npos)
    return false;
  const auto id = text.substr(name + 1, 8);
  return id.size() == 8 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         text.size() > name + 10 && text[name + 9] == '+';
}
bool is_listen(std::string_view text) {
  return parse_host_port(text).has_value();
}
bool is_currency(std::string_view text) {
  return text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}
bool is_origin(std::string_view text) {
  return text.size() <= 128 && text.find_first_of(" +\t\r\n") == std::string_view::npos;
}
bool is_flow_name(std::string_view text) {
  const auto slash = text.find('/');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.size() <= 128 && part.find_first_of(" \t\r\n@/") == std::string_view::npos;
  };
  return slash != std::string_view::npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}
bool is_kafka_secret(std::string_view text) {
  static constexpr std::string_view kSecrets[] = {"sasl.oauthbearer.client.secret", "sasl.password", "ssl.key.password",
                                                  "ssl.key.pem", "ssl.keystore.password"};
  return std::ranges::find(kSecrets, text) != std::end(kSecrets);
}
bool is_flow_reference(std::string_view text) {
  const auto at = text.find('@');
  return text.empty() ||
         (is_flow_name(text.substr(0, at)) && (at == std::string_view::npos || is_name(text.substr(at + 1))));
}
bool is_topic(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-").contains(c);
  };
  return !text.empty() && text.size() <= 249 && text != "." && text != ".." && std::ranges::all_of(text, fits);
}
bool is_optional_topic(std::string_view text) {
  return text.empty() || is_topic(text);
}
bool is_brokers(std::string_view text) {
  return std::ranges::all_of(split(text, ','), [](std::string_view broker) {
    const auto address = parse_host_port(trim(broker));
    return address && address->host != "0.0.0.0";
  });
}
// What decides how records are kept and committed is ours; what loads code from a file is nobody's.
bool is_kafka_setting(std::string_view text) {
  static constexpr std::string_view kTheirs[] = {"broker.",   "client.",    "compression.", "fetch.",     "heartbeat.",
                                                 "max.poll.", "metadata.",  "queue.",       "queued.",    "reconnect.",
                                                 "sasl.",     "security.",  "session.",     "socket.",    "ssl.",
                                                 "retry.",    "topic.meta", "linger.",      "message.max"};
  return std::ranges::any_of(kTheirs, [&](auto prefix) { return text.starts_with(prefix); }) && text.size() <= 128 &&
         !is_kafka_secret(text) && text != "ssl.engine.location";
}
bool is_finding_type(std::string_view text) {
  const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !text.empty() && text.size() <= 32 && text.front() >= 'A' && text.front() <= 'Z' &&
         std::ranges::all_of(text, fits);
}
bool is_bare_file(std::string_view text) {
  return text.size() <= 255 && !text.contains('/') && !text.starts_with('.');
}

constexpr TextForm kName{"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", "a name of letters, digits, '.', '_', ':', '-'",
                         is_name};
constexpr TextForm kModelName{"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$",
                              "a model name of letters, digits, '.', '_', ':', '/', '-'", is_model_name};
constexpr TextForm kHeaderName{"^[A-Za-z0-9_-]{1,128}$",
                               "a header name that Signalbox does not set itself (credentials go into api_key)",
                               is_header_name};
constexpr TextForm kHeaderValue{"^[ -~]{0,4096}$", "printable ASCII", is_header_value};
constexpr TextForm kUrl{"^https?://[^/:@\\s][^@\\s]*$", "an http:// or https:// address without credentials", is_url};
constexpr TextForm kOptionalUrl{"^(https?://[^/:@\\s][^@\\s]*)?$",
                                "an http:// or https:// address without credentials, or nothing", is_optional_url};
constexpr TextForm kVerifierKey{"^[^\\s+]+\\+[0-9a-f]{8}\\+\\S+$", "a verifier key: name+id+base64", is_verifier_key};
constexpr TextForm kListen{"^(\\[[0-9A-Fa-f:.]+\\]|[^\\s:\\[\\]]*):[0-9]{1,5}$",
                           "host:port, such as 127.0.0.1:8080 or [::1]:8080", is_listen};
constexpr TextForm kOrigin{"^[^\\s+]{0,128}$", "a name without blanks and plus signs", is_origin};
constexpr TextForm kFlowName{"^[^\\s@/]{1,128}/[^\\s@/]{1,128}$", "namespace/name of a flow", is_flow_name};
constexpr TextForm kFlowReference{"^([^\\s@/]{1,128}/[^\\s@/]{1,128}(@[A-Za-z0-9][A-Za-z0-9._:-]{0,127})?)?$",
                                  "namespace/name of a flow, with @version or without", is_flow_reference};
constexpr TextForm kTopic{"^[A-Za-z0-9._-]{1,249}$", "the name of a topic", is_topic};
constexpr TextForm kOptionalTopic{"^[A-Za-z0-9._-]{0,249}$", "the name of a topic, or nothing", is_optional_topic};
constexpr TextForm kBrokers{"^[^\\s:,]+:[0-9]{1,5}(,\\s*[^\\s:,]+:[0-9]{1,5})*$",
                            "host:port of a broker, or several with commas between them", is_brokers};
constexpr TextForm kKafkaSetting{
    "^(broker|client|compression|fetch|heartbeat|linger|max\\.poll|message\\.max|metadata|queue|queued|reconnect|retry|"
    "sasl|"
    "security|session|socket|ssl|topic\\.metadata)\\.",
    "a setting of librdkafka's that is neither Signalbox's own nor a secret (those go into secrets)", is_kafka_setting};
constexpr TextForm kKafkaSecret{
    "^(sasl\\.oauthbearer\\.client\\.secret|sasl\\.password|ssl\\.key\\.password|ssl\\.key\\.pem|ssl\\.keystore\\."
    "password)$",
    "sasl.password, sasl.oauthbearer.client.secret, ssl.key.pem, ssl.key.password or ssl.keystore.password",
    is_kafka_secret};
constexpr TextForm kCurrency{"^[A-Z]{3}$", "a currency code of three capitals (ISO 4217)", is_currency};
constexpr TextForm kFindingType{"^[A-Z][A-Z0-9_]{0,31}$", "a type of findings, such as IBAN", is_finding_type};
constexpr TextForm kBareFile{"^([^./][^/]{0,254})?$", "a file name without folders", is_bare_file};

auto server_section() {
  auto tls = declare<TlsConfig>("TLS at our own door; without it connections are plain.")
                 .path("certificate", &TlsConfig::certificate,
                       {.about = "PEM file with the certificate chain.", .required = true})
                 .path("key", &TlsConfig::key, {.about = "PEM file with the private key.", .required = true});
  using L = ServerLimits;
  auto limits =
      declare<L>("What one client may take; above a limit the answer is 408, 413, 429, 431 or 503.")
          .integer(
              "header_bytes", &L::header_bytes,
              {.about = "Largest request line and headers together.", .unit = "bytes", .min = 1024, .max = 1 << 20})
          .integer("body_bytes", &L::body_bytes,
                   {.about = "Largest request body, after decompression too.",
                    .unit = "bytes",
                    .min = 1024,
                    .max = 1LL << 30})
          .integer("header_timeout_ms", &L::header_timeout_ms,
                   {.about = "Time from the first byte of a request to the end of its headers.",
                    .unit = "ms",
                    .min = 1,
                    .max = kDayMs})
          .integer("body_timeout_ms", &L::body_timeout_ms,
                   {.about = "Longest silence while a body arrives.", .unit = "ms", .min = 1, .max = kDayMs})
          .integer("idle_timeout_ms", &L::idle_timeout_ms,
                   {.about = "How long a kept-alive connection may wait for its next request.",
                    .unit = "ms",
                    .min = 1,
                    .max = kDayMs})
          .integer("max_connections", &L::max_connections,
                   {.about = "Open client connections; more are refused.", .min = 1, .max = 1'000'000})
          .integer("max_in_flight", &L::max_in_flight,
                   {.about = "Requests in work at once; more are answered 503 with Retry-After.",
                    .min = 1,
                    .max = 1'000'000});
  using S = ServerConfig;
  return declare<S>("The HTTP server.")
      .text("listen", &S::listen,
            {.about = "Address and port to listen on; port 0 takes a free one.", .form = &kListen})
      .integer("shards", &S::shards,
               {.about = "Threads that own connections and runs; 0 is one for each core.", .max = 1024})
      .section("tls", &S::tls, tls)
      .section("limits", &S::limits, limits)
      .integer("drain_timeout_ms", &S::drain_timeout_ms,
               {.about = "How long requests in work may finish after SIGTERM.", .unit = "ms", .max = kDayMs})
      .integer("request_timeout_ms", &S::request_timeout_ms,
               {.about = "Longest time for one answer, streams included.", .unit = "ms", .min = 1, .max = kDayMs});
}

auto data_section() {
  using D = DataConfig;
  return declare<D>("Where runs, keys and the record are kept.")
      .path("dir", &D::dir, {.about = "Folder of the database and of the server's own keys; made if it is not there."})
      .choice("durability", &D::durability, {{"sync", Durability::sync}, {"async", Durability::async}},
              {.about = "`sync` answers after the state is on disk; `async` answers first and may lose the last "
                        "moments of a crash."})
      .integer("commit_batch_max", &D::commit_batch_max,
               {.about = "Most transactions that share one disk flush.", .min = 1, .max = 65'536})
      .integer("min_free_disk_mb", &D::min_free_disk_mb,
               {.about = "Below this free space new work is refused, so that what runs can finish.",
                .unit = "MiB",
                .max = 1 << 20});
}

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

auto provider_section() {
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

auto tier_section() {
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

auto models_section() {
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

auto keys_section() {
  using L = DefaultLimits;
  auto limits =
      declare<L>("For keys without limits of their own; 0 is no limit.")
          .integer("requests_per_minute", &L::requests_per_minute,
                   {.about = "Requests a key may make in a minute.", .max = 100'000'000})
          .integer(
              "spend_micro_per_day", &L::spend_micro_per_day,
              {.about = "Money a key may spend in a day (UTC).", .unit = "micro-units of `currency`", .max = kMaxMicro})
          .integer("max_in_flight", &L::max_in_flight,
                   {.about = "Requests of a key in work at once.", .max = 1'000'000});
  using K = KeysConfig;
  return declare<K>("Who may ask.")
      .choice("required", &K::required,
              {{"auto", KeysRequired::automatic}, {"always", KeysRequired::always}, {"never", KeysRequired::never}},
              {.about = "`auto` asks for a key as soon as one exists and, until then, listens on loopback only."})
      .section("limits", &K::limits, limits)
      .integer("spend_warn_percent", &K::spend_warn_percent,
               {.about = "Of what a key may spend in a day, from when on its answers carry "
                         "`x-signalbox-budget-used-percent` and `GET /api/v1/costs` warns; 0: never.",
                .unit = "%",
                .max = 100});
}

auto encryption_section() {
  using E = EncryptionConfig;
  return declare<E>("How payloads are sealed: a key for each run, wrapped by its tenant's, wrapped by the master key.")
      .secret("master_key", &E::master_key,
              {.about = "32 bytes, raw, in hex or in base64; left out, it is made of the data directory's own key. "
                        "Whoever has it and the database reads everything."})
      .secret(
          "previous_master_key", &E::previous_master_key,
          {.about = "After a change of the master key, for one start: the one before. The tenants' keys are wrapped "
                    "anew; then it can go."})
      .text("master_key_command", &E::master_key_command,
            {.about = "A command that prints the master key, asked once at start: for a KMS or an HSM. Instead of "
                      "master_key."});
}

auto promise_section() {
  using P = PromiseConfig;
  return declare<P>("What scripts are promised to be, and how it is watched that they are.")
      .path("labelled", &P::labelled,
            {.about = "Labelled texts that the classifier was not trained on, as `signalbox triage tune` takes them: "
                      "what the promise rests on. Read at the start.",
             .required = true})
      .path("routes", &P::routes,
            {.about = "Its `equivalent_intents` count as right for each other, as in `signalbox triage tune`."})
      .integer("wrong_scripts_per_mille", &P::wrong_scripts_per_mille,
               {.about = "Most wrong ones among scripted answers.", .min = 1, .max = 500})
      .integer("confidence_per_mille", &P::confidence_per_mille,
               {.about = "How sure the labelled texts must make that.", .min = 500, .max = 999})
      .integer("out_of_scope_per_mille", &P::out_of_scope_per_mille,
               {.about = "Share of the traffic that fits no intent; 0: as in the labelled texts.", .max = 900})
      .integer("relax_after", &P::relax_after,
               {.about = "Queries after which a threshold that was tightened for the traffic may come back, once the "
                         "traffic is again what it was tuned for. 0: it never does.",
                .max = 1'000'000'000})
      .integer("double_answers_per_mille", &P::double_answers_per_mille,
               {.about = "Of answers of scripts and of the small model, so many are shown to `judge` after they were "
                         "given; each is a run of its own, with its cost.",
                .max = 1'000})
      .text("judge", &P::judge, {.about = "Tier or provider/model that is asked.", .form = &kModelName})
      .integer("judge_errs_per_mille", &P::judge_errs_per_mille,
               {.about = "Of right answers, so many are taken for wrong ones by `judge`: what the guard makes "
                         "allowance for.",
                .max = 500});
}

auto semantic_section() {
  using S = SemanticCacheConfig;
  return declare<S>("Answers to questions that are like the one asked: see docs/triage.md.")
      .path("file", &S::file,
            {.about = "What `signalbox triage likeness` learnt of labelled texts: how alike two questions must be.",
             .required = true})
      .path(
          "encoder", &S::encoder,
          {.about = "The sentence encoder that was learnt with; `make encoder` makes one. The server refuses another.",
           .required = true})
      .integer(
          "compared", &S::compared,
          {.about = "Questions that one is compared with, at most: those in the same scope with the same kept words; "
                    "of more the oldest go.",
           .min = 1,
           .max = 100'000});
}

auto cache_section() {
  using C = CacheConfig;
  return declare<C>("Requests that a recorded run has answered before need not go to a model again.")
      .integer("exact_ttl_s", &C::exact_ttl_s,
               {.about = "How long the very same request is answered as before, within one tenant, policy, flow and "
                         "model; where the policy finds something in it, for the same key and person alone. 0: never.",
                .unit = "s",
                .max = 86'400})
      .integer("exact_entries", &C::exact_entries,
               {.about = "Answers that can be found again; of more the oldest go.", .min = 1, .max = 10'000'000})
      .integer(
          "memory_mb", &C::memory_mb,
          {.about = "What they may take, sealed as they are on disk: some 600 bytes an answer and the answer's own "
                    "length. Of more the oldest go.",
           .unit = "MiB",
           .min = 1,
           .max = 1'000'000})
      .section("semantic", &C::semantic, semantic_section(),
               {.about = "Answers questions that are only like one that was answered, too. Off where it is left out; "
                         "needs exact_ttl_s."});
}

auto retention_section() {
  constexpr std::int64_t kMaxDays = 36'500;
  auto flow = declare<FlowRetention>("How long the content of one flow's runs is kept.")
                  .integer("days", &FlowRetention::days,
                           {.about = "Days after the run's end; 0 is for ever.", .unit = "days", .max = kMaxDays});
  using R = RetentionConfig;
  return declare<R>("When the content of runs is erased by itself; steps, costs and the record stay.")
      .integer("days", &R::days,
               {.about = "Days after a run's end; 0 is for ever. Legal holds are honoured.",
                .unit = "days",
                .max = kMaxDays})
      .map("flows", &R::flows, flow,
           {.about = "Exceptions, by namespace/name of the flow.", .max = 1000, .names = &kFlowName});
}

auto mirror_section() {
  using S = S3Config;
  auto s3 = declare<S>("How to reach the bucket.")
                .text("endpoint", &S::endpoint,
                      {.about = "Address of the service, such as http://127.0.0.1:9000; empty is AWS in that region."})
                .text("region", &S::region, {.about = "The region that requests are signed for."})
                .secret("access_key", &S::access_key, {.about = "The access key's id."})
                .secret("secret_key", &S::secret_key, {.about = "The secret that belongs to it."})
                .boolean("path_style", &S::path_style,
                         {.about = "Name the bucket in the path (host/bucket) instead of in the host (bucket.host)."})
                .integer("part_mb", &S::part_mb,
                         {.about = "Objects larger than this are uploaded in parts of this size.",
                          .unit = "MiB",
                          .min = 5,
                          .max = 1'024})
                .integer("retain_days", &S::retain_days,
                         {.about = "Object Lock: segments cannot be deleted for so long, by anybody; 0 asks for none.",
                          .unit = "days",
                          .max = 36'500});
  using M = MirrorConfig;
  return declare<M>("A copy of everything at another place, from which a lost machine is made again.")
      .text("url", &M::url, {.about = "A folder, or s3://BUCKET[/PREFIX]; empty is no mirror."})
      .choice(
          "mode", &M::mode, {{"async", MirrorMode::async}, {"before-ack", MirrorMode::before_ack}},
          {.about = "`before-ack` answers after the state is in the mirror too, so that nothing acknowledged is ever "
                    "lost, and needs data.durability sync; `async` follows with the lag that /metrics shows."})
      .secret(
          "key", &M::key,
          {.about = "32 bytes (raw, hex or base64) that seal everything in the mirror. Keep it elsewhere: a restore "
                    "needs it, and nothing else."})
      .integer(
          "snapshot_hours", &M::snapshot_hours,
          {.about = "A snapshot of the whole database is put into the mirror when the last one is so old, so that a "
                    "restore need not apply everything since the beginning.",
           .unit = "hours",
           .min = 1,
           .max = 8'760})
      .integer("snapshot_mb", &M::snapshot_mb,
               {.about = "And when so much was sent since the last one: it bounds what a restore has to apply.",
                .unit = "MiB",
                .min = 1,
                .max = 1'048'576})
      .integer(
          "keep_days", &M::keep_days,
          {.about = "Older segments and snapshots stay for so long after a newer snapshot was read back whole; with "
                    "s3.retain_days at least for those. 0 keeps the newest snapshot and what follows it.",
           .unit = "days",
           .max = 36'500})
      .section("s3", &M::s3, s3);
}

auto audit_section() {
  using W = WitnessConfig;
  auto witness =
      declare<W>("One witness.")
          .text("url", &W::url,
                {.about = "Its submission prefix: requests go to this and /add-checkpoint.",
                 .form = &kUrl,
                 .required = true})
          .text("key", &W::key,
                {.about = "Its verifier key, as it publishes it: name+id+base64, of a cosignature key (Ed25519).",
                 .form = &kVerifierKey,
                 .required = true});
  using T = TimestampConfig;
  auto timestamp =
      declare<T>("Time stamps of RFC 3161 on tree heads.")
          .text("url", &T::url,
                {.about = "Address of the time-stamping authority; empty is no time stamps.", .form = &kOptionalUrl})
          .integer("interval_s", &T::interval_s,
                   {.about = "Time between two stamps; none is asked for while no leaf has come.",
                    .unit = "s",
                    .min = 1,
                    .max = kDayMs})
          .integer("timeout_ms", &T::timeout_ms,
                   {.about = "Time for an answer.", .unit = "ms", .min = 1, .max = kDayMs})
          .path("ca", &T::ca,
                {.about = "PEM file with the authority's root certificates: stamps that do not lead to one are not "
                          "kept; empty leaves that to who verifies."});
  using A = AuditConfig;
  return declare<A>("The transparency log of everything that was decided.")
      .text("origin", &A::origin,
            {.about = "The log's name, as in its tree heads, such as example.com/signalbox; empty is one made of its "
                      "key. The server's first start on a data directory gives the log its name. It cannot be changed "
                      "later: another name is another log.",
             .form = &kOrigin})
      .boolean("public", &A::is_public,
               {.about = "Serve the log at /audit/ to everybody; otherwise only to keys that may read the audit log. "
                         "It holds no content, but tenants, routes and versions."})
      .list("witnesses", &A::witnesses, witness,
            {.about = "Witnesses that are asked to cosign tree heads (C2SP tlog-witness).", .max = 16})
      .integer("quorum", &A::quorum,
               {.about = "So many cosignatures make a tree head a witnessed one.", .min = 1, .max = 16})
      .integer(
          "witness_interval_ms", &A::witness_interval_ms,
          {.about = "Pause between two rounds of questions to the witnesses.", .unit = "ms", .min = 10, .max = kDayMs})
      .integer("witness_timeout_ms", &A::witness_timeout_ms,
               {.about = "Time for a witness's answer.", .unit = "ms", .min = 1, .max = kDayMs})
      .section("timestamp", &A::timestamp, timestamp);
}

auto telemetry_section() {
  using T = TelemetryConfig;
  return declare<T>("What the server tells about itself.")
      .boolean("metrics", &T::metrics, {.about = "Serve Prometheus metrics at /metrics."})
      .boolean("overhead_header", &T::overhead_header,
               {.about = "Say in x-signalbox-overhead-ms what Signalbox itself took."})
      .integer("access_log_per_second", &T::access_log_per_second,
               {.about = "Access log lines written in a second; more are counted and left out, 0 writes none.",
                .max = 1'000'000});
}

auto flows_section() {
  using H = FlowHostConfig;
  auto host =
      declare<H>("One host that flows may call.")
          .text("name", &H::name,
                {.about = "`host`, `host:port` or `*.domain`, as the URLs of flows have it.", .required = true})
          .text("via", &H::via, {.about = "Base URL that its requests go to instead; empty is the host itself."})
          .texts(
              "restore", &H::restore,
              {.about = "Types of findings that it gets in clear, over HTTPS at the port of `name` (443) or by `via`; "
                        "rules that tokenise them must say `restore: caller_and_services`.",
               .max = 64,
               .form = &kFindingType});
  using S = FlowSecretConfig;
  auto secret =
      declare<S>("One secret that flows may name under `use.secrets`.")
          .text("name", &S::name, {.about = "Its name in `$secrets` and in authentications.", .required = true})
          .secret("value", &S::value, {.about = "Text, or a JSON object such as {username, password}."});
  using F = FlowsConfig;
  return declare<F>("Flows in the Open Workflow DSL.")
      .path("dir", &F::dir, {.about = "Folder of flow documents; empty is the built-in flows alone."})
      .text(
          "chat", &F::chat,
          {.about = "File in that folder that drives chat completions; empty is the built-in one.", .form = &kBareFile})
      .list("hosts", &F::hosts, host,
            {.about = "Hosts that flows may call; a host that is not here is not called.", .max = 1000})
      .list("secrets", &F::secrets, secret, {.about = "Secrets of flows.", .max = 1000})
      .boolean("shell", &F::shell, {.about = "Whether `run: shell` may start a walled-in shell."})
      .boolean("python", &F::python, {.about = "Whether `run: script` may start a walled-in Python."});
}

auto kafka_source() {
  using S = KafkaSourceConfig;
  return declare<S>("Records of some topics as work; exactly one of flow and events.")
      .texts("topics", &S::topics,
             {.about = "Topics it reads.", .min = 1, .max = 64, .form = &kTopic, .required = true})
      .text("group", &S::group,
            {.about = "Consumer group; a record is one run for each group.", .form = &kName, .required = true})
      .text("tenant", &S::tenant, {.about = "Whose runs and events they are.", .form = &kName})
      .text("flow", &S::flow,
            {.about = "Each record starts a run of this flow; its value is the input, as JSON. Without a version it is "
                      "the highest at that moment.",
             .form = &kFlowReference})
      .boolean("events", &S::events,
               {.about = "Each record is a CloudEvent (binary or structured mode) for flows that listen."})
      .text("dead_letter", &S::dead_letter,
            {.about = "Topic that is told of records that can never work: where they are and why, without their "
                      "content; empty counts and logs them alone.",
             .form = &kOptionalTopic})
      .choice("start", &S::start, {{"earliest", KafkaStart::earliest}, {"latest", KafkaStart::latest}},
              {.about = "Where a group begins that has committed nothing yet."})
      .integer(
          "max_in_flight", &S::max_in_flight,
          {.about = "Records in work at once, until their run or event is on disk; 1 keeps each partition's order.",
           .min = 1,
           .max = 4096});
}

auto kafka_section() {
  using X = KafkaSecretConfig;
  auto secret = declare<X>("One secret setting of the client's.")
                    .text("name", &X::name, {.about = "Its name.", .form = &kKafkaSecret, .required = true})
                    .secret("value", &X::value, {.about = "Where it is.", .required = true});
  using S = KafkaSinkConfig;
  auto sink = declare<S>("Events that flows emit, to one topic.")
                  .text("topic", &S::topic, {.about = "The topic.", .form = &kTopic, .required = true})
                  .texts("types", &S::types,
                         {.about = "Types of events that go there; a `*` stands for any text.",
                          .min = 1,
                          .max = 64,
                          .required = true});
  using K = KafkaConfig;
  return declare<K>("Work that arrives, and events that leave, over Apache Kafka.")
      .text("brokers", &K::brokers,
            {.about = "Where the cluster is asked for first.", .form = &kBrokers, .required = true})
      .texts("settings", &K::settings,
             {.about = "Further settings of the client, by librdkafka's names, such as security.protocol.",
              .max = 64,
              .form = &kHeaderValue,
              .names = &kKafkaSetting})
      .list("secrets", &K::secrets, secret, {.about = "Settings that are secret.", .max = 16})
      .map("sources", &K::sources, kafka_source(), {.about = "What is read, by name.", .max = 16, .names = &kName})
      .list("sinks", &K::sinks, sink, {.about = "What is written.", .max = 64});
}

Declaration<Config> build_root() {
  const std::vector<std::pair<std::string, LogLevel>> levels = {{"debug", LogLevel::debug},
                                                                {"info", LogLevel::info},
                                                                {"warn", LogLevel::warn},
                                                                {"error", LogLevel::error},
                                                                {"off", LogLevel::off}};
  auto log = declare<LogConfig>("Log lines on standard error, one JSON object a line.")
                 .choice("level", &LogConfig::level, levels, {.about = "The least severe lines that are written."});
  using G = GuardHostConfig;
  auto guard_host = declare<G>("One host that published policies may ask.")
                        .text("name", &G::name, {.about = "`host` or `host:port`.", .required = true});
  auto policy =
      declare<PolicyConfig>("What may pass, in and out.")
          .path("file", &PolicyConfig::file,
                {.about = "Policy document; empty is the built-in default policy. SIGHUP reads it again."})
          .choice(
              "approval", &PolicyConfig::approval,
              {{"none", PolicyApproval::none}, {"two_people", PolicyApproval::two_people}},
              {.about = "`two_people`: a changed policy is in force only when another key than its author's approved "
                        "it."})
          .path("injection_model", &PolicyConfig::injection_model,
                {.about = "Classifier of `injection` checks, made by `signalbox triage train`; empty is the built-in "
                          "one."})
          .list("guard_hosts", &PolicyConfig::guard_hosts, guard_host,
                {.about = "Hosts that `http` checks of published policies may send texts to; the policy of `file` "
                          "names its own.",
                 .max = 100});
  auto triage = declare<TriageConfig>("How requests for `auto` are routed.")
                    .path("file", &TriageConfig::file,
                          {.about = "Trained classifier with routes and thresholds; empty routes by rules alone."})
                    .section("promise", &TriageConfig::promise, promise_section(),
                             {.about = "Watches in production that scripts are as seldom wrong as promised."});
  auto scripts = declare<ScriptsConfig>("Deterministic answers.")
                     .path("dir", &ScriptsConfig::dir, {.about = "Folder of scripts; empty is none."});
  return declare<Config>("The configuration of one Signalbox server.")
      .section("server", &Config::server, server_section())
      .section("data", &Config::data, data_section())
      .section("log", &Config::log, log)
      .map("providers", &Config::providers, provider_section(),
           {.about = "Endpoints that serve models, by name.", .max = 256, .names = &kName})
      .map("tiers", &Config::tiers, tier_section(),
           {.about = "Classes of models, such as small and large, by name.", .max = 64, .names = &kName})
      .section("models", &Config::models, models_section())
      .section("policy", &Config::policy, policy)
      .section("triage", &Config::triage, triage)
      .section("scripts", &Config::scripts, scripts)
      .section("flows", &Config::flows, flows_section())
      .section("kafka", &Config::kafka, kafka_section())
      .section("cache", &Config::cache, cache_section())
      .section("keys", &Config::keys, keys_section())
      .text("currency", &Config::currency, {.about = "Currency of all prices, costs and budgets.", .form = &kCurrency})
      .section("encryption", &Config::encryption, encryption_section())
      .section("retention", &Config::retention, retention_section())
      .section("mirror", &Config::mirror, mirror_section())
      .section("audit", &Config::audit, audit_section())
      .section("telemetry", &Config::telemetry, telemetry_section());
}

}  // namespace

const Section& root_section() {
  static const auto root = build_root().get();
  return *root;
}

}  // namespace sb::config
