#include "keys/door.h"

#include <fmt/format.h>

namespace sb {

bool keys_needed(KeysRequired required, std::size_t usable_keys) {
  switch (required) {
    case KeysRequired::always:
      return true;
    case KeysRequired::never:
      return false;
    case KeysRequired::automatic:
      return usable_keys > 0;
  }
  return true;
}

Result<> check_listen(const Config& config, std::size_t usable_keys) {
  if (keys_needed(config.keys.required, usable_keys)) return {};
  const auto address = parse_host_port(config.server.listen);
  if (address && is_loopback(address->host)) return {};
  return fail(Errc::invalid_argument,
              fmt::format("server.listen: {} can be reached by others, but no API key is needed; make a first key with "
                          "`signalbox init`, or listen on 127.0.0.1",
                          config.server.listen),
              "server.listen");
}

const Principal& local_principal() {
  static const Principal local = [] {
    KeyRecord record;
    record.name = "local";
    record.tenant = "default";
    record.role = Role::admin;
    return std::make_shared<const KeyRecord>(std::move(record));
  }();
  return local;
}

KeyLimits effective_limits(const KeyLimits& own, const DefaultLimits& defaults) {
  const auto either = [](std::int64_t mine, std::int64_t otherwise) { return mine > 0 ? mine : otherwise; };
  return {either(own.requests_per_minute, defaults.requests_per_minute),
          either(own.spend_micro_per_day, defaults.spend_micro_per_day),
          either(own.max_in_flight, defaults.max_in_flight)};
}

}  // namespace sb
