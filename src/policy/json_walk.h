/// The walk behind guard_json.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "policy/json_guard.h"

namespace sb::policy {

/// A parser and its padded input, reused by all documents of one thread.
struct JsonSlot {
  simdjson::ondemand::parser parser;
  std::string input;

  /// Copies `json` behind which simdjson may read.
  simdjson::simdjson_result<simdjson::ondemand::document> iterate(std::string_view json);
  /// Gives memory back after a large document.
  void shrink();
};

/// The slot of this thread.
JsonSlot& json_slot();

/// Members that name things and have a name in them, and base64 payloads: nothing to read there.
bool is_passed_over(std::string_view key, std::string_view text);

/// JSON inside strings is read to this depth; below, it is text.
inline constexpr int kMaxJsonLevels = 3;
/// Whole numbers with fewer digits identify nobody.
inline constexpr std::size_t kLeastNumberDigits = 7;

/// One document's walk.
class JsonWalk {
 public:
  JsonWalk(const Policy& policy, GuardContext& context, JsonProfile profile, GuardScratch& scratch,
           JsonGuardResult& result)
      : policy_(policy), context_(context), profile_(profile), scratch_(scratch), result_(result) {}

  /// Walks `json`; edits are then in `edits()`. Errors: as guard_json.
  Result<> run(std::string_view json);
  const TextEdits& edits() const { return edits_; }

 private:
  /// Where in a chat document a value stands.
  enum class Place : std::uint8_t { other, top, messages, message, content, part, response_format, parameters };

  Result<> value(simdjson::ondemand::value value, std::string_view key, Place place, int depth);
  Result<> object(simdjson::ondemand::object object, Place place, int depth);
  Result<> array(simdjson::ondemand::array array, std::string_view key, Place place, int depth);
  Result<> member(simdjson::ondemand::value value, std::string_view key, Place place, int depth);
  Result<> note_logprobs(simdjson::ondemand::value value, std::string_view key, Place place, int depth);
  Result<> string_leaf(simdjson::ondemand::value value, std::string_view key, Place place);
  Result<> number_leaf(simdjson::ondemand::value value, std::string_view key);
  Result<Verdict> text_leaf(std::string_view text, std::string_view key);
  Result<> name(const char* raw, std::string_view key);
  void note_string(std::string_view text, std::string_view key, Place place);
  void end_message();

  const Policy& policy_;
  GuardContext& context_;
  JsonProfile profile_;
  GuardScratch& scratch_;
  JsonGuardResult& result_;
  TextEdits edits_;
  const char* base_ = nullptr;
  std::vector<std::pair<std::size_t, std::size_t>> logprobs_;  // offset and size
  std::string message_text_;                                   // of the message being walked, guarded
  bool message_is_user_ = false;
  bool message_is_from_outside_ = false;  // of those whose words nobody vouches for: callers, tools
};

}  // namespace sb::policy
