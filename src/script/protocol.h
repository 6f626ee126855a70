/// What runner and worker say to each other over a stream socket: one request, one answer, in turn.
///
/// Request: u32 size of the rest, u32 timeout_ms, u32 memory_mib, u32 result_bytes_max, u32 source size, source,
/// input as JSON (empty: compile only). Answer: u32 size of the rest, one byte of Outcome, result as JSON or a message
/// without data. Numbers are in the machine's byte order: both ends are one program on one machine.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sb::script {

inline constexpr std::size_t kRequestHeaderBytes = 16;  ///< behind the size
inline constexpr std::uint32_t kMaxFrameBytes = 4 * 1024 * 1024;

enum class Outcome : char {
  result = 'r',
  syntax = 's',  ///< the source does not compile; message: where
  thrown = 'x',  ///< the script threw; message: the error's class and line, not its text
  timeout = 't',
  memory = 'm',
  too_large = 'l',  ///< the result is over result_bytes_max
  refused = 'n',    ///< the result is no JSON value, or the promise never settles
};

inline void append_u32(std::string& out, std::uint32_t value) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}

inline std::uint32_t read_u32(const char* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, 4);
  return value;
}

}  // namespace sb::script
