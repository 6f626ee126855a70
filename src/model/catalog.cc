#include "model/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/bytes.h"

namespace sb::model {
namespace {

std::vector<std::string> sorted_once(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

Result<> check_price(const Price& price, const std::string& key) {
  if (price.input >= 0 && price.cached_input >= 0 && price.output >= 0) return {};
  return fail(Errc::invalid_argument, fmt::format("{}: a price cannot be negative", key), key);
}

Result<> check_provider(const ProviderConfig& provider) {
  const std::string key = "providers." + provider.name;
  if (provider.name.empty() || provider.name.contains('/')) {
    return fail(Errc::invalid_argument,
                fmt::format("providers: the name \"{}\" must not be empty or hold '/'", provider.name), "providers");
  }
  if (auto url = http::Url::parse(provider.base_url); !url) {
    return fail(
        Errc::invalid_argument,
        fmt::format("{0}.base_url: {1} (expected something like https://api.example.com/v1)", key, url.error().detail),
        key + ".base_url");
  }
  if (provider.retries.attempts_max < 1) {
    return fail(Errc::invalid_argument, fmt::format("{}.retries: at least one attempt is needed", key),
                key + ".retries");
  }
  return {};
}

}  // namespace

Result<Catalog> Catalog::create(CatalogConfig config) {
  Catalog catalog;
  catalog.config_ = std::move(config);
  SB_CHECK(catalog.add_deployments());
  SB_CHECK(catalog.add_tiers());
  SB_CHECK(catalog.add_aliases());
  catalog.add_reach();
  return catalog;
}

Result<> Catalog::add_deployments() {
  std::set<std::string> provider_names;
  for (std::size_t p = 0; p < config_.providers.size(); ++p) {
    const auto& provider = config_.providers[p];
    SB_CHECK(check_provider(provider));
    if (!provider_names.insert(provider.name).second) {
      return fail(Errc::invalid_argument, fmt::format("providers: \"{}\" is there twice", provider.name), "providers");
    }
    for (const auto& model : provider.models) {
      const std::string name = provider.name + "/" + model.name;
      const std::string key = fmt::format("providers.{}.models.{}", provider.name, model.name);
      if (model.name.empty()) return fail(Errc::invalid_argument, key + ": a model needs a name", key);
      SB_CHECK(check_price(model.price, key + ".price"));
      const std::size_t index = deployments_.size();
      if (!targets_.try_emplace(name, Target{name, "", {{{index, 1}}}}).second) {
        return fail(Errc::invalid_argument, fmt::format("{}: \"{}\" is there twice", key, model.name), key);
      }
      deployments_.push_back({index, p, name, model.name, model.upstream.empty() ? model.name : model.upstream,
                              model.price, model.context_tokens, provider.local});
    }
  }
  for (const auto& deployment : deployments_) {
    auto [target, is_new] = targets_.try_emplace(deployment.model, Target{deployment.name, "", {}});
    // A model called like some "provider/model" would shadow it: the full name keeps its meaning.
    if (!is_new && target->second.name == target->first) continue;
    target->second.groups.push_back({{deployment.index, 1}});
  }
  return {};
}

Result<> Catalog::add_tiers() {
  for (const auto& tier : config_.tiers) {
    const std::string key = "tiers." + tier.name;
    if (tier.name.empty() || tier.name == "auto") {
      return fail(Errc::invalid_argument, fmt::format("{}: \"{}\" cannot be a tier's name", key, tier.name), key);
    }
    if (tier.deployments.empty()) return fail(Errc::invalid_argument, key + ": a tier needs a deployment", key);
    std::map<int, std::vector<Target::Candidate>> by_priority;
    for (const auto& choice : tier.deployments) {
      const std::string full = choice.provider + "/" + choice.model;
      const auto found = std::ranges::find(deployments_, full, &Deployment::name);
      if (found == deployments_.end()) {
        std::vector<std::string> known;
        for (const auto& deployment : deployments_) known.push_back(deployment.name);
        const auto near = nearest(full, known);
        return fail(Errc::invalid_argument,
                    fmt::format("{}: there is no deployment \"{}\"{}", key, full,
                                near ? fmt::format("; did you mean \"{}\"?", *near) : ""),
                    key);
      }
      if (choice.weight < 1 || choice.weight > 1000) {
        return fail(Errc::invalid_argument, fmt::format("{}: weight {} is not in 1..1000", key, choice.weight), key);
      }
      by_priority[choice.priority].push_back({found->index, choice.weight});
    }
    Target target{tier.name, tier.name, {}};
    for (auto& [priority, group] : by_priority) target.groups.push_back(std::move(group));
    targets_.insert_or_assign(tier.name, std::move(target));
  }
  return {};
}

Result<> Catalog::add_aliases() {
  std::map<std::string, Target> found;
  for (const auto& [alias, meaning] : config_.aliases) {
    const std::string key = "aliases." + alias;
    if (std::ranges::find(config_.tiers, alias, &TierConfig::name) != config_.tiers.end() || alias == "auto") {
      return fail(Errc::invalid_argument, fmt::format("{}: this name is taken by a tier", key), key);
    }
    const auto target = targets_.find(meaning);
    if (target == targets_.end()) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: \"{}\" is neither a tier nor a model (an alias cannot name an alias)", key, meaning),
                  key);
    }
    found.emplace(alias, target->second);
  }
  for (auto& [alias, target] : found) targets_.insert_or_assign(alias, std::move(target));
  return {};
}

std::vector<std::string> Catalog::names_of(const Target& target) const {
  std::vector<std::string> names;
  if (!target.tier.empty()) names.push_back(target.tier);
  for (const auto& group : target.groups) {
    for (const auto& candidate : group) {
      const Deployment& deployment = deployments_[candidate.deployment];
      names.push_back(deployment.name);
      names.push_back(deployment.model);
    }
  }
  return names;
}

void Catalog::add_reach() {
  for (const auto& [name, target] : targets_) {
    auto names = names_of(target);
    all_.insert(all_.end(), names.begin(), names.end());
    reach_.emplace(name, sorted_once(std::move(names)));
  }
  all_ = sorted_once(std::move(all_));
}

std::span<const std::string> Catalog::reach(std::string_view model) const {
  const auto found = reach_.find(model);
  return found != reach_.end() ? found->second : all_;
}

Result<const Target*> Catalog::resolve(std::string_view model) const {
  if (const auto found = targets_.find(model); found != targets_.end()) return &found->second;
  const auto known = names();
  const auto near = nearest(model, known);
  return fail(Errc::not_found,
              near ? fmt::format("the model does not exist; did you mean \"{}\"?", *near)
                   : std::string("the model does not exist; GET /v1/models lists those that do"),
              "model");
}

Target Catalog::local_part(const Target& target) const {
  Target local{target.name, target.tier, {}};
  for (const auto& group : target.groups) {
    std::vector<Target::Candidate> kept;
    for (const auto& candidate : group) {
      if (deployments_[candidate.deployment].local) kept.push_back(candidate);
    }
    if (!kept.empty()) local.groups.push_back(std::move(kept));
  }
  if (!local.groups.empty()) return local;
  for (const auto& deployment : deployments_) {
    if (deployment.local) local.groups.push_back({{deployment.index, 1}});
  }
  return local;
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> names;
  names.reserve(targets_.size());
  for (const auto& [name, target] : targets_) names.push_back(name);
  return names;
}

}  // namespace sb::model
