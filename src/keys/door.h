/// When a key is needed, and whether the server may listen where it is told to.
#pragma once

#include "config/config.h"
#include "keys/key_ring.h"

namespace sb {

/// `always`, or `auto` and there is a usable key.
bool keys_needed(KeysRequired required, std::size_t usable_keys);

/// Without keys only this machine may ask: refuses an address that others can reach while no key is needed.
/// Errors: invalid_argument (says how to make a first key, or to listen on loopback).
Result<> check_listen(const Config& config, std::size_t usable_keys);

/// Who asks where no key is needed: tenant "default", role admin, the nil id. It can only be someone on this machine.
const Principal& local_principal();

/// The key's own limits, and where it has none (0) those of `keys.limits`.
KeyLimits effective_limits(const KeyLimits& own, const DefaultLimits& defaults);

}  // namespace sb
