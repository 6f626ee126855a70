#include "server/content.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/wildcard.h"
#include "script/host_program.h"
#include "server/services.h"

namespace sb::server {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("cannot read {}", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<model::CatalogConfig> catalog_config(const Config& config, ProviderKeys keys) {
  model::CatalogConfig out;
  for (const auto& [name, provider] : config.providers) {
    model::ProviderConfig p;
    p.name = name;
    p.type = provider.type == ProviderType::anthropic ? model::ProviderType::anthropic : model::ProviderType::openai;
    p.base_url = provider.base_url;
    p.local = provider.local;
    if (provider.api_key && keys == ProviderKeys::resolved) {
      auto secret = provider.api_key->resolve();
      if (!secret)
        return fail(secret.error().code, fmt::format("providers.{}.api_key: {}", name, secret.error().detail),
                    fmt::format("providers.{}.api_key", name));
      p.api_key = std::string(secret->reveal());
    }
    if (!provider.organization.empty()) p.headers.add("openai-organization", provider.organization);
    for (const auto& [header, value] : provider.headers) p.headers.add(header, value);
    for (const auto& [model_name, model] : provider.models) {
      p.models.push_back({model_name,
                          model.upstream,
                          {model.price.input, model.price.cached_input.value_or(model.price.input), model.price.output},
                          model.context_tokens});
    }
    using std::chrono::milliseconds;
    p.timeouts = {milliseconds(provider.timeouts.connect_ms), milliseconds(provider.timeouts.first_byte_ms),
                  milliseconds(provider.timeouts.idle_ms), milliseconds(provider.timeouts.total_ms)};
    p.retries.attempts_max = static_cast<int>(provider.retries.max) + 1;
    p.retries.backoff_base = milliseconds(provider.retries.base_ms);
    p.retries.backoff_cap = milliseconds(provider.retries.cap_ms);
    p.breaker.failures_min = static_cast<int>(provider.breaker.failures);
    p.breaker.open_for = milliseconds(provider.breaker.open_ms);
    out.providers.push_back(std::move(p));
  }
  for (const auto& [name, tier] : config.tiers) {
    model::TierConfig t{name, {}};
    for (const auto& d : tier.deployments)
      t.deployments.push_back({d.provider, d.model, static_cast<int>(d.weight), static_cast<int>(d.priority)});
    out.tiers.push_back(std::move(t));
  }
  out.aliases = config.models.aliases;
  out.call_deadline = std::chrono::milliseconds(config.server.request_timeout_ms);
  return out;
}

flow::WorkLimits work_limits(const AtWorkConfig& wanted) {
  flow::WorkLimits limits{.all = wanted.all, .per_tenant = wanted.per_tenant, .queue = wanted.queue};
  for (const auto& [name, limit] : wanted.tenants) limits.tenants[name] = limit;
  for (const auto& [name, limit] : wanted.flows) limits.flows[name] = limit;
  return limits;
}

Result<flow::ContainerOptions> container_options(const FlowsConfig& wanted, std::string_view secret) {
  flow::ContainerOptions made;
  if (!wanted.containers) return made;
  const auto& from = *wanted.containers;
  auto runtime = script::find_program(from.runtime);
  if (!runtime)
    return fail(runtime.error().code, fmt::format("flows.containers.runtime: {}", runtime.error().detail),
                "flows.containers.runtime");
  made.runtime = *std::move(runtime);
  made.images = from.images;
  for (const auto& volume : from.volumes) made.volumes.push_back({volume.folder, volume.write});
  made.network = from.network;
  made.user = from.user;
  made.read_only = from.read_only;
  made.pull = from.pull;
  made.memory_mb = from.memory_mb;
  made.cpu_percent = from.cpu_percent;
  made.pids = from.pids;
  made.seconds = from.seconds;
  made.output_kb = from.output_kb;
  made.keep_hours = from.keep_hours;
  made.instance = to_hex(hmac_sha256(secret, "containers")).substr(0, 12);
  made.environment = script::host_environment();
  return made;
}

Result<flow::LifecycleOptions> lifecycle_options(const Config& config) {
  const auto& wanted = config.flows.lifecycle;
  const auto types = flow::lifecycle_types();
  for (const auto& pattern : wanted.types) {
    if (std::ranges::any_of(types, [&](std::string_view type) { return fits_wildcard(pattern, type); })) continue;
    const auto near = nearest(pattern, std::vector<std::string>(types.begin(), types.end()));
    return fail(Errc::invalid_argument,
                fmt::format("flows.lifecycle.types: `{}` fits no lifecycle event{}", pattern,
                            near ? fmt::format("; did you mean `{}`?", *near) : std::string()),
                "flows.lifecycle.types");
  }
  return flow::LifecycleOptions{wanted.types, wanted.flows, wanted.output};
}

std::string policy_origin(const Config& config) {
  return config.policy.file.empty() ? "default policy" : config.policy.file;
}

Result<std::string> policy_text(const Config& config) {
  return config.policy.file.empty() ? Result<std::string>(std::string(default_policy()))
                                    : read_file(config.policy.file);
}

}  // namespace sb::server
