#include "server/mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "keys/envelope.h"

namespace sb::server {
namespace {

constexpr Micros kHourUs = Micros{3'600} * 1'000'000;

Result<std::string> secret_at(const std::optional<SecretRef>& place, const char* name) {
  if (!place) return std::string();
  auto secret = place->resolve();
  if (!secret) return fail(secret.error().code, fmt::format("mirror.{}: {}", name, secret.error().detail), name);
  return std::string(secret->reveal());
}

// What another server goes on with must not be done here too, and what is acknowledged here would be lost: this is no
// time to finish anything.
void stop_at_once(const Error& error) {
  log_error("mirror.taken_over", {{"detail", error.detail}});
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

Result<std::unique_ptr<mirror::Mirror>> open_mirror(const Services& services) {
  const MirrorConfig& config = services.config.mirror;
  if (config.url.empty()) return nullptr;
  if (!config.key) return fail(Errc::invalid_argument, "mirror.key is missing: env:NAME or file:PATH", "mirror.key");
  SB_CHECK(mirror::check_apart(config.url, services.data.path()));
  mirror::MirrorOptions options;
  SB_TRY(const std::string key, secret_at(config.key, "key"));
  SB_TRY(options.key, parse_master_key(key));
  options.before_ack = config.mode == MirrorMode::before_ack;
  options.snapshot_after_bytes = static_cast<std::uint64_t>(config.snapshot_mb) << 20;
  options.snapshot_after_us = config.snapshot_hours * kHourUs;
  options.keep_us = std::max(config.keep_days, config.s3.retain_days) * 24 * kHourUs;
  options.database = services.data.database();
  options.audit_folder = services.data.audit_folder();
  options.spool_folder = services.data.path() + "/mirror-spool";
  options.on_end = stop_at_once;
  options.secrets = {{"audit.seed", services.data.audit_seed()},
                     {"vault.key", services.data.vault_key()},
                     {"pepper", services.data.pepper()}};
  mirror::S3Access access;
  access.endpoint = config.s3.endpoint;
  access.region = config.s3.region;
  SB_TRY(access.access_key, secret_at(config.s3.access_key, "s3.access_key"));
  SB_TRY(access.secret_key, secret_at(config.s3.secret_key, "s3.secret_key"));
  access.path_style = config.s3.path_style;
  access.part_bytes = static_cast<std::size_t>(config.s3.part_mb) << 20;
  access.retain_days = static_cast<int>(config.s3.retain_days);
  SB_TRY(auto target, mirror::open_target(config.url, access));
  return std::make_unique<mirror::Mirror>(std::move(target), std::move(options));
}

}  // namespace sb::server
