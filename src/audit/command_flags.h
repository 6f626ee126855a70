/// What the audit commands share: their flags, the log's key, exit codes.
#pragma once

#include <map>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint_note.h"
#include "audit/command.h"
#include "audit/cosignature.h"
#include "base/errors.h"

namespace sb::audit {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;  ///< read, and found wrong
inline constexpr int kUsage = 2;
inline constexpr int kUnread = 3;  ///< could not be read: nothing is said about the record

struct Flags {
  std::map<std::string, std::string, std::less<>> values;
  std::vector<std::string> witnesses;  ///< each --witness
  std::string get(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  }
  bool has(std::string_view name) const { return values.contains(name); }
};

/// `known` names flags with a value; one argument without a name is `--data`. Errors: invalid_argument.
Result<Flags> parse_flags(std::span<const std::string> args, std::span<const std::string> known);
/// --witness and --quorum; without --quorum, all of the witnesses. Errors: invalid_argument.
Result<Quorum> quorum_of(const Flags& flags);
Result<std::uint64_t> number_of(const Flags& flags, std::string_view name, std::uint64_t otherwise);

/// --key, or the key of the data directory, under the name that its published log has. Errors: as DataDir::open.
Result<NoteVerifier> key_of(const Flags& flags);
/// In --key-file, or SIGNALBOX_API_KEY; empty: none. Errors: not_found.
Result<std::string> api_key_of(const Flags& flags);
std::string database_of(const Flags& flags);

Result<int> verify_command(const Flags& flags, std::ostream& out, const OpenBucket& open_bucket);
Result<int> prove_command(const Flags& flags, std::ostream& out);

}  // namespace sb::audit
