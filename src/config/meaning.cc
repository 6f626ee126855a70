#include "config/meaning.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/bytes.h"

namespace sb::config {
namespace {

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  if (known.empty()) return "there is none yet";
  const auto near = nearest(name, known);
  return near ? fmt::format("did you mean \"{}\"?", *near)
              : fmt::format("the first of {} is \"{}\"", known.size(), known.front());
}

void check_deployment(const Config& config, const DeploymentConfig& deployment, const Place& place, ReadState& state) {
  const auto provider = config.providers.find(deployment.provider);
  if (provider == config.providers.end()) {
    state.value_problem(place.member("provider"), "no such entry under providers; " +
                                                      did_you_mean(deployment.provider, names_of(config.providers)));
  } else if (!provider->second.models.contains(deployment.model)) {
    state.value_problem(place.member("model"),
                        fmt::format("provider \"{}\" declares no such model; {}", deployment.provider,
                                    did_you_mean(deployment.model, names_of(provider->second.models))));
  }
}

bool is_target(const Config& config, std::string_view name) {
  if (name == "auto" || config.tiers.contains(std::string(name))) return true;
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return false;
  const auto provider = config.providers.find(std::string(name.substr(0, slash)));
  return provider != config.providers.end() && provider->second.models.contains(std::string(name.substr(slash + 1)));
}

void check_tiers(const Config& config, ReadState& state) {
  const auto tiers = Place{}.member("tiers");
  for (const auto& [name, tier] : config.tiers) {
    const auto place = tiers.member(name);
    if (name == "auto" || name == "script" || name == "human") {
      state.key_problem(place, "this name is Signalbox's own; call the tier otherwise, such as small or large");
    }
    std::int64_t weights = 0;
    for (std::size_t i = 0; i < tier.deployments.size(); ++i) {
      weights += tier.deployments[i].weight;
      check_deployment(config, tier.deployments[i], place.member("deployments").element(i), state);
    }
    if (!tier.deployments.empty() && weights == 0) {
      state.value_problem(place.member("deployments"), "all weights are 0: nothing could answer");
    }
  }
}

void check_providers(const Config& config, ReadState& state) {
  const auto providers = Place{}.member("providers");
  for (const auto& [name, provider] : config.providers) {
    const auto place = providers.member(name);
    if (provider.retries.base_ms > provider.retries.cap_ms) {
      state.value_problem(place.member("retries").member("base_ms"), "must not be above cap_ms");
    }
    if (provider.timeouts.first_byte_ms > provider.timeouts.total_ms) {
      state.value_problem(place.member("timeouts").member("first_byte_ms"), "must not be above total_ms");
    }
  }
}

void check_witnesses(const AuditConfig& audit, ReadState& state) {
  const auto place = Place{}.member("audit");
  if (!audit.witnesses.empty() && audit.quorum > audit.witnesses.size()) {
    state.value_problem(place.member("quorum"),
                        fmt::format("must not be above the number of witnesses, {}", audit.witnesses.size()));
  }
  const auto name_of = [](const WitnessConfig& witness) { return witness.key.substr(0, witness.key.find('+')); };
  for (std::size_t i = 0; i < audit.witnesses.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (name_of(audit.witnesses[i]) != name_of(audit.witnesses[j])) continue;
      state.value_problem(place.member("witnesses").element(i).member("key"),
                          fmt::format("names the same witness as witnesses[{}]: it would count twice", j));
    }
  }
}

// Answered before it is on disk is answered before it is in the mirror.
void check_mirror(const Config& config, ReadState& state) {
  if (config.mirror.url.empty() || config.mirror.mode != MirrorMode::before_ack) return;
  if (config.data.durability == Durability::sync) return;
  state.value_problem(
      Place{}.member("mirror").member("mode"),
      "before-ack promises what only data.durability: sync keeps: an answer could be lost with this machine. "
      "Set data.durability to sync, or mirror.mode to async");
}

void check_cache(const CacheConfig& cache, ReadState& state) {
  if (cache.semantic && cache.exact_ttl_s == 0)
    state.value_problem(Place{}.member("cache").member("semantic"),
                        "needs cache.exact_ttl_s, how long an answer may be given again");
}

// A split without a limit of its own takes all that come to it: what stands behind it would wait for ever.
bool takes_all(const TrialConfig& trial) {
  return trial.mode == TrialMode::split && trial.tenants.empty() && trial.tags.empty();
}

void check_trials(const TriageConfig& triage, ReadState& state) {
  const auto place = Place{}.member("triage").member("trials");
  constexpr std::size_t kMostTrials = 8;  // each is a row of metrics, and a shadow takes its time of each request
  if (triage.trials.size() > kMostTrials) state.value_problem(place, fmt::format("has {} at most", kMostTrials));
  if (triage.learn && triage.file.empty())
    state.value_problem(Place{}.member("triage").member("learn"),
                        "needs triage.file: there is nothing to learn beside");
  if (!triage.trials.empty() && triage.file.empty())
    state.value_problem(place, "needs triage.file: what is tried is tried beside it");
  const TrialConfig* first_for_all = nullptr;
  for (std::size_t i = 0; i < triage.trials.size(); ++i) {
    const auto& trial = triage.trials[i];
    const auto here = place.element(i);
    const auto before = std::span(triage.trials).first(i);
    if (std::ranges::find(before, trial.name, &TrialConfig::name) != before.end())
      state.value_problem(here.member("name"), "is there twice; the record knows trials by their names");
    if (trial.file.empty() == trial.version.empty())
      state.value_problem(here, trial.file.empty() ? "says nothing of what is tried: name a file, or a version"
                                                   : "has a file and a version; leave one of them out");
    if (trial.mode != TrialMode::split) continue;
    if (first_for_all)
      state.value_problem(here, fmt::format("is never reached: a request is in one split, and \"{}\" before it speaks "
                                            "of all; put the narrower one first",
                                            first_for_all->name));
    if (!takes_all(trial)) continue;
    first_for_all = &trial;
    if (trial.weight_per_mille == 1000)
      state.value_problem(here.member("weight_per_mille"),
                          "gives the candidate everything, and nothing to compare it with: make it triage.file, or "
                          "say a weight below 1000, tenants or tags");
  }
}

void check_kafka(const KafkaConfig& kafka, ReadState& state) {
  const auto place = Place{}.member("kafka");
  for (const auto& [name, source] : kafka.sources) {
    const auto here = place.member("sources").member(name);
    if (source.flow.empty() != source.events) {  // exactly one of both is wanted
      state.value_problem(here, source.events ? "has flow and events; leave one of them out"
                                              : "says nothing of what its records are: name a flow, or set events to "
                                                "true");
    }
    if (std::ranges::find(source.topics, source.dead_letter) != source.topics.end()) {
      state.value_problem(here.member("dead_letter"), "is a topic that the source reads; name another one");
    }
  }
  for (std::size_t i = 0; i < kafka.sinks.size(); ++i) {
    const auto same = [&](const KafkaSinkConfig& other) { return other.topic == kafka.sinks[i].topic; };
    if (std::ranges::any_of(kafka.sinks.begin(), kafka.sinks.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      state.value_problem(place.member("sinks").element(i).member("topic"),
                          "is there twice; put all its types into one entry");
    }
  }
}

}  // namespace

void check_meaning(const Config& config, ReadState& state) {
  check_providers(config, state);
  check_tiers(config, state);
  check_witnesses(config.audit, state);
  check_mirror(config, state);
  check_cache(config.cache, state);
  check_trials(config.triage, state);
  if (config.kafka) check_kafka(*config.kafka, state);
  for (const auto& [name, target] : config.models.aliases) {
    const auto place = Place{}.member("models").member("aliases").member(name);
    if (is_target(config, name)) {
      state.key_problem(place, "this name is already auto, a tier or a provider's model; choose another alias");
    } else if (!is_target(config, target)) {
      state.value_problem(place, "expected auto, the name of a tier, or provider/model; " +
                                     did_you_mean(target, names_of(config.tiers)));
    }
  }
  if (!config.flows.chat.empty() && config.flows.dir.empty()) {
    state.value_problem(Place{}.member("flows").member("chat"), "needs flows.dir, the folder this file is in");
  }
  for (std::size_t i = 0; i < config.flows.hosts.size(); ++i) {
    const auto& host = config.flows.hosts[i];
    if (host.name.starts_with('*') && !host.restore.empty()) {
      state.value_problem(Place{}.member("flows").member("hosts").element(i).member("restore"),
                          "values are given to hosts that are named whole; `*.domain` may be anybody's");
    }
  }
  const auto host = parse_host_port(config.server.listen);
  if (config.keys.required == KeysRequired::never && host && !is_loopback(host->host)) {
    state.value_problem(
        Place{}.member("keys").member("required"),
        "without keys only this machine may ask: set server.listen to 127.0.0.1, or keys.required to auto");
  }
}

}  // namespace sb::config
