/// A witness's signing side, for tests: the product only ever verifies.
#pragma once

#include <fmt/format.h>

#include "audit/cosignature.h"
#include "base/bytes.h"

namespace sb::audit::testing {

class TestWitness {
 public:
  explicit TestWitness(std::string name, char seed = 'w')
      : signing_(*SigningKey::from_seed(std::string(32, seed))),
        key_(NoteKeyType::cosignature, std::move(name), signing_.public_key()) {}

  WitnessKey key() const { return *WitnessKey::parse(key_.to_string()); }
  /// A signature line over the text of a note.
  std::string cosign(std::string_view note, std::uint64_t time) const {
    const std::string_view text = parse_note(note)->text;
    std::string bytes(reinterpret_cast<const char*>(key_.id().data()), 4);
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(time >> shift & 0xff);
    bytes += signing_.sign(fmt::format("cosignature/v1\ntime {}\n{}", time, text));
    return fmt::format("\u2014 {} {}\n", key_.name(), to_base64(bytes));
  }

 private:
  SigningKey signing_;
  NoteKey key_;
};

inline NoteSigner test_log(char seed = 's') {
  return NoteSigner("log.example/test", *SigningKey::from_seed(std::string(32, seed)));
}
inline std::string test_head(std::uint64_t size, char seed = 's') {
  return test_log(seed).sign(tree_head_text({"log.example/test", size, sha256(std::to_string(size))}));
}

}  // namespace sb::audit::testing
