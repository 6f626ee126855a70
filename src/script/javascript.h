/// One call of a JavaScript function in a QuickJS runtime of its own. Used inside worker processes only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "script/protocol.h"

namespace sb::script {

struct JavaScriptCall {
  std::string_view source;  ///< `export default function(input) {...}`, or a script that defines main(input)
  std::string_view input;   ///< JSON; empty: compile only
  std::uint32_t timeout_ms = 100;
  std::uint32_t memory_mib = 16;
  std::uint32_t result_bytes_max = 1024 * 1024;
};

struct JavaScriptAnswer {
  Outcome outcome = Outcome::result;
  std::string text;
};

/// A fresh runtime and context: nothing survives from call to call. There is no clock (Date.now, new Date()), no
/// Math.random, no module to import, no I/O. Async functions are awaited, as far as nothing outside must happen.
JavaScriptAnswer run_javascript(const JavaScriptCall& call);

}  // namespace sb::script
