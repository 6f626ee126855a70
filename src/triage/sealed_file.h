/// The outside of a weights file: magic (8 bytes), version (u32), payload size (u64), SHA-256 of the payload, payload;
/// integers little-endian. A file that was cut, changed or made by another version is refused by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::triage {

/// Appends a number (or an array of them) as it lies in memory.
template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

struct FileKind {
  std::string_view magic;          ///< 8 characters
  std::string_view what;           ///< "a triage model"
  std::uint32_t version;           ///< the one this build writes, and the newest it reads
  std::string_view remedy;         ///< "train it anew with `signalbox triage train`"
  std::uint32_t oldest = version;  ///< that it reads
};

std::string seal_file(const FileKind& kind, std::string_view payload);

/// The payload: a view into `bytes`. Errors: corrupt (another kind of file, cut, changed), unsupported (version).
Result<std::string_view> open_file(const FileKind& kind, std::string_view bytes);

}  // namespace sb::triage
