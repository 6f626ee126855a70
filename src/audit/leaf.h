/// What one leaf of the record says, as RFC 8785 canonical JSON (pure).
///
///     {"actor":"p-7f3a...","attempt":1,"kind":"step","payload_commit":"9f86...","prev_state":"4bf5...","run":"0190...",
///      "seq":12,"step":0,"summary":{"chosen":"small"},"tenant":"acme","time":1790000000000000,
///      "versions":{"flow":"signalbox/chat@1.0.0","policy":"5d1c..."}}
///
/// `seq` is the leaf's index, `time` is UTC microseconds, `payload_commit` hex SHA-256(salt || ciphertext),
/// `prev_state` the hash of the run's state before this (run_chain.h). Members without a value are left out;
/// `seq`, `kind` and `time` are always there.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "store/store.h"

namespace sb::audit {

/// A summary that is no JSON is recorded as a JSON string: the record takes what happened, it does not refuse.
void append_leaf_text(std::string& out, LeafIndex index, const store::LeafDraft& draft);
std::string encode_leaf(LeafIndex index, const store::LeafDraft& draft);

/// The members by which leaves are found and compared with what is stored. Views into the text; strings still escaped.
struct LeafFields {
  std::uint64_t seq = 0;
  std::string_view actor;
  std::string_view kind;
  std::string_view run;
  std::string_view payload_commit;
  std::string_view prev_state;
  std::string_view summary;  ///< JSON
  std::string_view tenant;
  std::optional<std::uint32_t> step;
  std::uint32_t attempt = 0;
  std::int64_t time_us = 0;
};

/// Reads what encode_leaf() wrote. Errors: corrupt (anything else).
Result<LeafFields> parse_leaf(std::string_view text);

}  // namespace sb::audit
