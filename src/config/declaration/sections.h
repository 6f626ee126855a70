/// The sections of the configuration that have a file of their own; root.cc puts them together with the small ones.
#pragma once

#include "config/config.h"
#include "config/schema.h"

namespace sb::config {

Declaration<ServerConfig> server_section();
// models.cc
Declaration<ProviderConfig> provider_section();
Declaration<TierConfig> tier_section();
Declaration<ModelsConfig> models_section();
Declaration<PolicyConfig> policy_section();
Declaration<TriageConfig> triage_section();
Declaration<FlowsConfig> flows_section();
Declaration<KafkaConfig> kafka_section();
Declaration<CacheConfig> cache_section();
Declaration<MirrorConfig> mirror_section();
Declaration<AuditConfig> audit_section();

}  // namespace sb::config
