#include "flow/caller_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace sb::flow {

Result<std::string> subject_name(std::string_view said) {
  constexpr const char* kName = "x-signalbox-subject";
  const std::string_view name = trim(said);
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    return fail(Errc::invalid_argument, "x-signalbox-subject has control characters", kName);
  if (!is_valid_utf8(name))
    return fail(Errc::invalid_argument, "x-signalbox-subject is not UTF-8: by that name nobody would find it again",
                kName);
  return std::string(name);
}

Result<> check_idempotency_key(std::string_view key) {
  constexpr std::size_t kMax = 255;
  if (key.size() > kMax)
    return fail(Errc::invalid_argument, fmt::format("Idempotency-Key has at most {} characters", kMax),
                "Idempotency-Key");
  return {};
}

}  // namespace sb::flow
