#include "server/record.h"

#include <fmt/format.h>

namespace sb::server {
namespace {

Error at(std::string key, const Error& error) {
  return Error(error.code, fmt::format("{}: {}", key, error.detail), key);
}

Result<audit::WitnessOptions> witness_options(const AuditConfig& config) {
  audit::WitnessOptions options;
  for (std::size_t i = 0; i < config.witnesses.size(); ++i) {
    auto url = http::Url::parse(config.witnesses[i].url);
    if (!url) return std::unexpected(at(fmt::format("audit.witnesses[{}].url", i), url.error()));
    auto key = audit::WitnessKey::parse(config.witnesses[i].key);
    if (!key) return std::unexpected(at(fmt::format("audit.witnesses[{}].key", i), key.error()));
    options.places.push_back({*std::move(url), *std::move(key)});
  }
  options.quorum = config.quorum;
  options.interval = std::chrono::milliseconds(config.witness_interval_ms);
  options.timeout = std::chrono::milliseconds(config.witness_timeout_ms);
  return options;
}

Result<audit::TimestampOptions> timestamp_options(const TimestampConfig& config) {
  audit::TimestampOptions options;
  options.interval = std::chrono::seconds(config.interval_s);
  options.timeout = std::chrono::milliseconds(config.timeout_ms);
  options.ca_file = config.ca;
  if (config.url.empty()) return options;
  auto url = http::Url::parse(config.url);
  if (!url) return std::unexpected(at("audit.timestamp.url", url.error()));
  options.url = *std::move(url);
  return options;
}

}  // namespace

Result<std::unique_ptr<audit::AuditLog>> make_audit_log(const Services& services, bool sign) {
  const AuditConfig& config = services.config.audit;
  audit::AuditLogOptions options;
  options.origin = config.origin;
  options.folder = services.data.audit_folder();
  options.sign = sign;
  SB_TRY(options.witness, witness_options(config));
  SB_TRY(options.timestamp, timestamp_options(config.timestamp));
  return audit::AuditLog::create(services.data.audit_seed(), std::move(options));
}

}  // namespace sb::server
