/// Errors as values: one code a caller can react to, one sentence a person can act on.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sb {

/// Why an operation did not happen. A code exists only if a caller can react to it differently; everything else is
/// `internal`, with the story in `detail`. Values are stored in the audit log: append, never renumber.
enum class Errc : std::uint16_t {
  not_found = 1,
  already_exists = 2,      ///< same id or idempotency key, other content
  lease_lost = 3,          ///< another worker owns the run now: stop, do not retry
  policy_denied = 4,       ///< terminal; `detail` names the rule, never the text
  upstream_timeout = 5,    ///< retriable; the call may have happened
  corrupt = 6,             ///< bytes on disk fail their checksum or shape
  invalid_argument = 7,    ///< the caller sent something that can never work
  unauthenticated = 8,     ///< no key, or one we do not know
  permission_denied = 9,   ///< known, but not allowed
  rate_limited = 10,       ///< retriable after `Retry-After`
  budget_exceeded = 11,    ///< the key's or tenant's money is spent
  too_large = 12,          ///< over a limit named in `detail`
  unavailable = 13,        ///< retriable: overload, breaker open, connection refused
  upstream_error = 14,     ///< the provider answered with an error of its own
  upstream_invalid = 15,   ///< the provider answered with something that is not its protocol
  disk_full = 16,          ///< no room for durable state; work parks until there is
  cancelled = 17,          ///< the caller went away, or asked to stop
  deadline_exceeded = 18,  ///< our own time limit for the operation
  unsupported = 19,        ///< understood, but deliberately not done
  conflict = 20,           ///< the object is not in a state that allows this
  internal = 99,
};

/// Stable, machine-readable name ("not_found"); documented under docs/errors/.
std::string_view to_string(Errc code);
/// The code of a name; `internal` for one that is none.
Errc errc_of(std::string_view name);

struct Error {
  Errc code = Errc::internal;
  std::string
      detail;  ///< one sentence: what, where, what to do. Never prompt or completion text, personal data or keys.
  std::string param = {};  ///< the request field or config key at fault, if one is

  Error() = default;
  Error(Errc c, std::string d, std::string p = {}) : code(c), detail(std::move(d)), param(std::move(p)) {}
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string detail, std::string param = {}) {
  return std::unexpected<Error>(Error(code, std::move(detail), std::move(param)));
}

/// Prints expression and place, then aborts. On in release: stopping beats a wrong audit trail.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace sb

#define SB_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::sb::assertion_failed(#expression, __FILE__, __LINE__))

#define SB_CONCAT_INNER(a, b) a##b
#define SB_CONCAT(a, b) SB_CONCAT_INNER(a, b)

/// SB_TRY(auto x, f()): x is the value, or the enclosing function returns the error. SB_CHECK(f()) drops the value.
/// SB_CO_*: the same inside a coroutine.
#define SB_TRY_IMPL(result, declaration, ...)                     \
  auto result = (__VA_ARGS__);                                    \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define SB_TRY(declaration, ...) SB_TRY_IMPL(SB_CONCAT(sb_result_, __LINE__), declaration, __VA_ARGS__)
#define SB_CHECK(...)                                                                                        \
  do {                                                                                                       \
    if (auto sb_checked = (__VA_ARGS__); !sb_checked) return std::unexpected(std::move(sb_checked).error()); \
  } while (false)
#define SB_CO_TRY_IMPL(result, declaration, ...)                     \
  auto result = (__VA_ARGS__);                                       \
  if (!result) co_return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define SB_CO_TRY(declaration, ...) SB_CO_TRY_IMPL(SB_CONCAT(sb_result_, __LINE__), declaration, __VA_ARGS__)
#define SB_CO_CHECK(...)                                                                                        \
  do {                                                                                                          \
    if (auto sb_checked = (__VA_ARGS__); !sb_checked) co_return std::unexpected(std::move(sb_checked).error()); \
  } while (false)
