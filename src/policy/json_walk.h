/// The walk behind guard_json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "policy/chat_shape.h"
#include "policy/coded_text.h"
#include "policy/json_guard.h"
#include "policy/message_seams.h"

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

/// JSON inside strings is read to this depth; below, it is text.
inline constexpr int kMaxJsonLevels = 3;

/// Guards a text as one of a document: JSON in it, whole or in a fence, is walked and stays JSON. Where the result is
/// `allow`, `scratch.text` is meaningless. Errors: as guard_into.
Result<Verdict> guard_leaf(const Policy& policy, GuardContext& context, std::string_view text, std::string_view key,
                           GuardScratch& scratch, std::vector<GuardedFinding>& findings);

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
  /// The member that a value stands under: its key, and what the protocol says of it.
  struct Under {
    std::string_view key;
    ChatPlace place = ChatPlace::other;  ///< of the object that has it
    const ChatMember* member = nullptr;
    std::string_view label = {};  ///< what the value is called: the key, or what names it (member_names.h)

    ChatPlace inside() const { return place_inside(place, member); }
  };

  Result<> value(simdjson::ondemand::value value, const Under& under, int depth);
  Result<> object(simdjson::ondemand::object object, const Under& outer, int depth);
  Result<> array(simdjson::ondemand::array array, const Under& under, int depth);
  Result<> note_logprobs(simdjson::ondemand::object object);
  Result<> drop_logprobs();
  Result<> find_seams(simdjson::ondemand::document& document);
  Result<> parts(simdjson::ondemand::array array, const Under& under, int depth);
  Result<> string_leaf(simdjson::ondemand::value value, const Under& under);
  void edit_string(std::size_t offset, std::size_t size, std::string_view text);
  Result<> number_leaf(simdjson::ondemand::value value, const Under& under);
  Result<> coded_leaf(CodedText coded, std::size_t offset, std::size_t size, const Under& under);
  Result<> identifier_leaf(std::string_view text, std::size_t offset, std::size_t size, const Under& under);
  Result<Verdict> program_name(std::string_view text);
  void cannot_change(std::string_view key);
  bool goes_to_a_provider() const {
    return profile_ == JsonProfile::chat_request && context_.direction == Direction::inbound;
  }
  Result<Verdict> text_leaf(std::string_view text, std::string_view key) {
    return guard_leaf(policy_, context_, text, key, scratch_, result_.findings);
  }
  Result<> name(const char* raw, const Under& under, const Under& outer, std::uint32_t& masked_names);
  void note_identifier(std::string_view text, const Under& under);
  void note_string(std::string_view text, const Under& under);
  void note_together(const std::vector<std::string>& parts);
  void note_rest();
  void begin_message();
  void end_message();
  void end_answer();
  void note_text(std::string text, TextRole role, bool counts = true);

  const Policy& policy_;
  GuardContext& context_;
  JsonProfile profile_;
  GuardScratch& scratch_;
  JsonGuardResult& result_;
  TextEdits edits_;
  const char* base_ = nullptr;
  /// Text parts of the content that is being walked: a reader sees them as one text. Where each stands is in `places`.
  struct Parts {
    struct Place {
      std::size_t offset;
      std::size_t size;
      const PartCut* cut;  ///< null: nothing of it belongs to another message's text
    };
    std::vector<Place> places;
    std::vector<std::string> texts;
  };
  Parts parts_;
  MessageSeams seams_;
  bool in_parts_ = false;
  std::string number_;                      // its digits, where they are not written one by one
  std::string_view last_text_;              // of the member that was walked last, where it is a string
  std::vector<std::string_view> logprobs_;  // as they stand in the document
  std::string message_text_;                // of the message being walked, guarded
  std::string message_nested_;              // of the parts of its content what no protocol calls text, guarded
  std::string beside_;                      // of a chat document's texts those beside the messages' contents, guarded
  std::string message_together_;            // its text parts, where there are several, without anything between them
  std::string names_;                       // of members, where the protocol has none, guarded
  // Of an answer, one of several perhaps.
  struct Answer {
    bool says = false;   // a text
    bool calls = false;  // tools: what it says comes later
  };
  Answer answer_;
  bool has_choices_ = false;
  std::size_t answers_ = 0;
  bool message_is_user_ = false;
  bool message_is_history_ = false;  // a model's or an operator's
};

}  // namespace sb::policy
