/// Which models exist, where they are served, and what a requested model name means.
///
/// The structs are plain configuration (filled by the config module, secrets already resolved); a Catalog is their
/// checked, immutable form, safe to share between threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "http/client.h"
#include "http/message.h"
#include "model/price.h"

namespace sb::model {

enum class ProviderType {
  openai,    ///< any endpoint that speaks /chat/completions: OpenAI, Azure, vLLM, llama.cpp, Ollama ...
  anthropic  ///< the Messages API
};

struct ModelConfig {
  std::string name;      ///< as callers say it
  std::string upstream;  ///< as the provider says it; empty: `name`
  Price price;
  std::int64_t context_tokens = 0;  ///< 0: not known
};

/// Tries of one deployment within one call.
struct RetryConfig {
  int attempts_max = 3;                         ///< including the first
  std::chrono::milliseconds backoff_base{200};  ///< the n-th wait is uniform in [0, base * 2^n], at most `backoff_cap`
  std::chrono::milliseconds backoff_cap{5'000};
  std::chrono::milliseconds retry_after_max{10'000};  ///< a provider that asks for a longer wait is passed over instead
};

/// When a deployment is left alone because of its own failures (never because of a caller's).
struct BreakerConfig {
  int failures_min = 5;  ///< opens when at least so many calls failed within `window`, and at least half of all calls
  std::chrono::milliseconds window{10'000};
  std::chrono::milliseconds open_for{5'000};  ///< then one probe; each failed probe doubles it
  std::chrono::milliseconds open_for_max{60'000};
};

struct ProviderConfig {
  std::string name;
  ProviderType type = ProviderType::openai;
  std::string base_url;           ///< "https://api.openai.com/v1", "https://api.anthropic.com"
  std::string api_key;            ///< the secret itself; empty: no credentials are sent
  http::Headers headers;          ///< sent with every call; `{"api-key", ...}` here and no `api_key` is Azure's form
  std::string api_version_query;  ///< Azure's "2024-10-21": adds "?api-version=..." to every target
  std::vector<ModelConfig> models;
  http::Timeouts timeouts;
  RetryConfig retries;
  BreakerConfig breaker;
  std::int64_t default_max_tokens = 4096;  ///< for Anthropic, whose API demands one
  std::size_t reply_bytes_max = 32 * 1024 * 1024;
  bool local = false;                   ///< runs on our own machines: may see what a policy keeps inside
  bool report_requested_model = false;  ///< replies carry the name the caller asked for instead of the provider's
};

struct TierDeploymentConfig {
  std::string provider;
  std::string model;
  int weight = 1;    ///< share within its priority, 1..1000
  int priority = 0;  ///< lower first; the next one is the fallback
};

struct TierConfig {
  std::string name;  ///< "small", "large", ...
  std::vector<TierDeploymentConfig> deployments;
};

struct CatalogConfig {
  std::vector<ProviderConfig> providers;
  std::vector<TierConfig> tiers;
  std::map<std::string, std::string> aliases;        ///< a name -> a tier, "provider/model" or model
  std::chrono::milliseconds call_deadline{120'000};  ///< all attempts of one call together
};

/// One model at one provider. Its index is dense and stable for the life of the catalog.
struct Deployment {
  std::size_t index = 0;
  std::size_t provider = 0;  ///< index into Catalog::providers()
  std::string name;          ///< "provider/model": for records, metrics and logs
  std::string model;         ///< as callers say it
  std::string upstream;      ///< as the provider says it
  Price price;
  std::int64_t context_tokens = 0;
  bool local = false;  ///< nothing that is sent there leaves our own machines
};

/// What a requested name stands for: deployments to try, grouped by priority, best first.
struct Target {
  struct Candidate {
    std::size_t deployment = 0;
    int weight = 1;
  };
  std::string name;  ///< tier name, or "provider/model"
  std::string tier;  ///< empty unless it is a tier
  std::vector<std::vector<Candidate>> groups;
};

class Catalog {
 public:
  /// Errors: invalid_argument, `param` is the configuration key at fault: duplicate or unknown names, no deployments,
  /// a base_url that is none, negative prices, an alias that leads nowhere or to another alias.
  static Result<Catalog> create(CatalogConfig config);

  /// In this order: tier, alias, "provider/model", a model's own name (all providers that have it: the first configured
  /// one first, the others as fallback). "auto" is not a name here: triage asks for a tier.
  /// The pointer lives as long as the catalog. Errors: not_found (param "model", with the nearest known name).
  Result<const Target*> resolve(std::string_view model) const;

  /// The local deployments of `target`; where it has none, every local deployment there is.
  Target local_part(const Target& target) const;

  const std::vector<ProviderConfig>& providers() const { return config_.providers; }
  const std::vector<Deployment>& deployments() const { return deployments_; }
  std::chrono::milliseconds call_deadline() const { return config_.call_deadline; }
  /// What a request for `model` may come to, whoever chooses: tiers, "provider/model" and models' own names. "auto" and
  /// any other name that `resolve` does not know: all there are. Lives as long as the catalog.
  std::span<const std::string> reach(std::string_view model) const;
  /// The same of a target.
  std::vector<std::string> names_of(const Target& target) const;
  /// Every name `resolve` knows, sorted: what /v1/models lists.
  std::vector<std::string> names() const;

 private:
  Result<> add_deployments();
  Result<> add_tiers();
  Result<> add_aliases();

  CatalogConfig config_;
  std::vector<Deployment> deployments_;
  void add_reach();

  std::map<std::string, Target, std::less<>> targets_;
  std::map<std::string, std::vector<std::string>, std::less<>> reach_;  // by name of a target
  std::vector<std::string> all_;
};

}  // namespace sb::model
