/// What a configuration names, read without starting anything: for the server, and for commands that only ask what a
/// configuration would do.
#pragma once

#include <cstdint>
#include <string>

#include "base/errors.h"
#include "config/config.h"
#include "flow/containers.h"
#include "flow/lifecycle.h"
#include "flow/work_gate.h"
#include "model/catalog.h"

namespace sb::server {

enum class ProviderKeys : std::uint8_t {
  resolved,
  left_out,  ///< where no provider is called
};

/// Errors: where a key cannot be resolved; `param` names it.
Result<model::CatalogConfig> catalog_config(const Config& config, ProviderKeys keys);

/// Errors: invalid_argument (a pattern that fits no lifecycle event).
Result<flow::LifecycleOptions> lifecycle_options(const Config& config);

/// Errors: not_found.
Result<std::string> read_file(const std::string& path);

/// The policy's document. Errors: not_found.
Result<std::string> policy_text(const Config& config);
/// What errors in it call it.
std::string policy_origin(const Config& config);

/// `flows.at_work`.
flow::WorkLimits work_limits(const AtWorkConfig& wanted);
/// What containers of flows may do. `secret`: of the data directory, of which its containers' names are made. Errors:
/// not_found (the runtime is not on this machine).
Result<flow::ContainerOptions> container_options(const FlowsConfig& wanted, std::string_view secret);

}  // namespace sb::server
