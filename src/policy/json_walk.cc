#include "policy/json_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "policy/detect/bytes_class.h"
#include "policy/json_fence.h"
#include "policy/json_number.h"
#include "policy/json_stream_guard.h"
#include "policy/logprobs.h"
#include "policy/member_names.h"
#include "policy/split_values.h"
#include "policy/stand_ins.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

constexpr std::size_t kKeptSlotBytes = 1 << 20;

std::unexpected<Error> invalid(simdjson::error_code code) {
  return fail(Errc::invalid_argument, fmt::format("invalid JSON: {}", simdjson::error_message(code)));
}

bool is_media_type(std::string_view type) {
  return type == "image_url" || type == "input_image" || type == "input_audio" || type == "file" ||
         type == "input_file";
}

char first_byte(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? '\0' : text[first];
}

Result<Verdict> guard_json_leaf(const Policy& policy, GuardContext& context, std::string_view text,
                                std::string_view key, GuardScratch& scratch, std::vector<GuardedFinding>& findings) {
  JsonStreamGuard guard(policy, context, key);
  TextSink out;
  SB_CHECK(guard.feed(text, true, out));
  const auto found = guard.findings();
  findings.insert(findings.end(), found.begin(), found.end());
  scratch.text = std::move(out.text);
  return guard.verdict();
}

// A word of JSON Schema itself, no name of a parameter: those stand in maps.
bool is_schema_word(std::string_view outer, std::string_view key) {
  constexpr std::string_view kMaps =
      " properties patternProperties $defs definitions dependentSchemas dependentRequired ";
  constexpr std::string_view kWords =
      " $comment $defs $id $ref $schema additionalProperties allOf anyOf const contains default "
      "definitions dependentRequired dependentSchemas deprecated description else enum examples "
      "exclusiveMaximum exclusiveMinimum format if items maxContains maxItems maxLength maxProperties "
      "maximum minContains minItems minLength minProperties minimum multipleOf not nullable oneOf "
      "pattern patternProperties prefixItems properties propertyNames readOnly required then title type "
      "uniqueItems writeOnly ";
  const auto among = [](std::string_view words, std::string_view word) {
    return !word.contains(' ') && words.contains(fmt::format(" {} ", word));
  };
  return !among(kMaps, outer) && among(kWords, key);
}

// What of a text is not a part of a value that another message has a part of, too.
std::string_view own_text(std::string_view text, const PartCut* cut) {
  return cut == nullptr ? text : text.substr(cut->begin, cut->end - cut->begin);
}

}  // namespace

simdjson::simdjson_result<od::document> JsonSlot::iterate(std::string_view json) {
  input.resize(json.size() + simdjson::SIMDJSON_PADDING);
  std::ranges::copy(json, input.begin());
  std::fill(input.begin() + static_cast<std::ptrdiff_t>(json.size()), input.end(), '\0');
  return parser.iterate(input.data(), json.size(), input.size());
}

void JsonSlot::shrink() {
  if (input.size() <= kKeptSlotBytes) return;
  std::string().swap(input);
  parser = od::parser();
}

JsonSlot& json_slot() {
  thread_local JsonSlot slot;
  return slot;
}

Result<Verdict> guard_leaf(const Policy& policy, GuardContext& context, std::string_view text, std::string_view key,
                           GuardScratch& scratch, std::vector<GuardedFinding>& findings) {
  const auto pieces = context.json_pieces;
  const bool piece = pieces == JsonPieces::all || (pieces == JsonPieces::arguments && key == "arguments");
  const auto first = first_byte(text);
  context.escape_restored = piece;
  auto verdict = first == '{' || (first == '[' && !piece) || may_have_json_fence(text)
                     ? guard_json_leaf(policy, context, text, key, scratch, findings)
                     : guard_into(policy, context, text, key, scratch, findings);
  context.escape_restored = false;
  return verdict;
}

Result<> JsonWalk::run(std::string_view json) {
  auto& slot = json_slot();
  auto iterated = slot.iterate(json);
  od::document document;
  if (const auto error = std::move(iterated).get(document)) return invalid(error);
  base_ = slot.input.data();
  if (profile_ == JsonProfile::chat_request && context_.direction == Direction::inbound) {
    SB_CHECK(find_seams(document));
    if (document.is_alive())
      document.rewind();
    else if (const auto error = slot.iterate(json).get(document))
      return invalid(error);
  }
  od::value root;
  if (const auto error = document.get_value().get(root); error == simdjson::SCALAR_DOCUMENT_AS_VALUE) {
    return fail(Errc::invalid_argument, "a JSON document here is an object or an array");
  } else if (error) {
    return invalid(error);
  }
  // As if the document were the value of a member: where it stands follows from that.
  static constexpr ChatMember kRequest{{}, MemberKind::text, ChatPlace::request};
  static constexpr ChatMember kResponse{{}, MemberKind::text, ChatPlace::response};
  Under under;
  if (profile_ != JsonProfile::any) under.member = profile_ == JsonProfile::chat_request ? &kRequest : &kResponse;
  SB_CHECK(value(root, under, 1));
  // The parser stands behind the root value; there is a location only where something follows.
  if (const char* more = nullptr; !document.current_location().get(more))
    return fail(Errc::invalid_argument, "invalid JSON: more text behind the document");
  note_rest();
  return drop_logprobs();
}

Result<> JsonWalk::value(od::value v, const Under& under, int depth) {
  od::json_type type;
  if (const auto error = v.type().get(type)) return invalid(error);
  switch (type) {
    case od::json_type::object: {
      if (depth > kMaxJsonDepth)
        return fail(Errc::invalid_argument, fmt::format("JSON nested deeper than {}", kMaxJsonDepth));
      od::object inner;
      if (const auto error = v.get_object().get(inner)) return invalid(error);
      if (under.place == ChatPlace::choice && under.inside() == ChatPlace::logprobs) return note_logprobs(inner);
      return object(inner, under, depth);
    }
    case od::json_type::array: {
      if (depth > kMaxJsonDepth)
        return fail(Errc::invalid_argument, fmt::format("JSON nested deeper than {}", kMaxJsonDepth));
      od::array inner;
      if (const auto error = v.get_array().get(inner)) return invalid(error);
      if (under.place == ChatPlace::vector && under.key == "embedding") {
        // A vector's thousands of numbers are measures: one look tells that it holds nothing else.
        std::string_view raw;
        if (const auto error = inner.raw_json().get(raw)) return invalid(error);
        if (!raw.contains('"')) return {};
        if (const auto error = inner.reset().error()) return invalid(error);
      }
      if (under.place == ChatPlace::message && under.key == "content") return parts(inner, under, depth);
      return array(inner, under, depth);
    }
    case od::json_type::string:
      return string_leaf(v, under);
    case od::json_type::number:
      return number_leaf(v, under);
    case od::json_type::boolean: {
      bool unused;
      if (const auto error = v.get_bool().get(unused)) return invalid(error);
      return {};
    }
    case od::json_type::null: {
      bool null = false;
      if (const auto error = v.is_null().get(null)) return invalid(error);
      if (!null) return invalid(simdjson::N_ATOM_ERROR);
      return {};
    }
  }
  return invalid(simdjson::TAPE_ERROR);
}

Result<> JsonWalk::object(od::object o, const Under& outer, int depth) {
  const ChatPlace place = outer.inside();
  std::string_view named = outer.label;  // what a value in it is called
  const bool is_message = profile_ == JsonProfile::chat_request && place == ChatPlace::message;
  const bool is_answer = profile_ == JsonProfile::chat_response && place == ChatPlace::choice;
  if (is_message) begin_message();
  if (is_answer) answer_ = {};
  if (outer.place == ChatPlace::message && (outer.key == "tool_calls" || outer.key == "function_call"))
    answer_.calls = true;
  std::uint32_t masked_names = 0;
  for (auto result : o) {
    od::field field;
    if (const auto error = std::move(result).get(field)) return invalid(error);
    Under under{{}, place, nullptr};
    const char* const raw_key = field.key().raw();
    if (const auto error = field.unescaped_key().get(under.key)) return invalid(error);
    under.member = chat_member(place, under.key);
    if (!under.member) SB_CHECK(name(raw_key, under, outer, masked_names));
    has_choices_ = has_choices_ || (place == ChatPlace::response && under.key == "choices");
    under.label = is_named_value(under.key) && !named.empty() ? named : under.key;
    last_text_ = {};
    SB_CHECK(value(field.value(), under, depth + 1));
    if (names_value(under.key) && !last_text_.empty()) named = last_text_;
  }
  if (is_message) end_message();
  if (is_answer) end_answer();
  last_text_ = {};
  return {};
}

Result<> JsonWalk::array(od::array a, const Under& under, int depth) {
  for (auto result : a) {
    od::value item;
    if (const auto error = std::move(result).get(item)) return invalid(error);
    if (under.place == ChatPlace::request && (under.key == "tools" || under.key == "functions"))
      result_.features.has_tools = true;
    SB_CHECK(value(item, under, depth + 1));
  }
  return {};
}

Result<> JsonWalk::find_seams(od::document& document) {
  auto texts = read_said_texts(document, base_);
  if (texts.size() < 2) return {};
  SB_TRY(const Verdict verdict, seams_.find(policy_, context_, std::move(texts), result_.findings));
  result_.verdict = std::max(result_.verdict, verdict);
  return {};
}

// The text parts of a content are decided together, at its end.
Result<> JsonWalk::parts(od::array a, const Under& under, int depth) {
  parts_ = {};
  in_parts_ = true;
  SB_CHECK(array(a, under, depth));
  in_parts_ = false;
  const auto& texts = parts_.texts;
  std::vector<PartCut> cuts;
  if (texts.size() > 1) {
    SB_TRY(const Verdict verdict, cut_seams(policy_, context_, texts, cuts, result_.findings));
    result_.verdict = std::max(result_.verdict, verdict);
  } else if (!texts.empty()) {
    cuts.push_back({0, texts[0].size()});
  }
  const Under text_member{"text", ChatPlace::part, nullptr};
  std::vector<std::string> all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto left = std::string_view(texts[i]).substr(cuts[i].begin, cuts[i].end - cuts[i].begin);
    SB_TRY(const Verdict verdict, text_leaf(left, text_member.key));
    result_.verdict = std::max(result_.verdict, verdict);
    const auto& place = parts_.places[i];
    const auto guarded = std::string(verdict == Verdict::allow ? left : std::string_view(scratch_.text)) +
                         cuts[i].behind + (place.cut == nullptr ? "" : place.cut->behind);
    note_string(guarded, text_member);
    if (place.cut != nullptr || guarded != texts[i]) edit_string(place.offset, place.size, guarded);
    all.push_back(guarded);
  }
  if (context_.texts && all.size() > 1) note_together(all);
  return {};
}

void JsonWalk::edit_string(std::size_t offset, std::size_t size, std::string_view text) {
  std::string escaped;
  append_json_escaped(escaped, text);
  edits_.replace(offset, size, std::move(escaped));
}

Result<> JsonWalk::note_logprobs(od::object o) {
  std::string_view raw;
  if (const auto error = o.raw_json().get(raw)) return invalid(error);
  logprobs_.push_back(raw.substr(0, raw.rfind('}') + 1));  // the raw text may reach into the blanks behind
  return {};
}

// Log probabilities do not outlive a text that changed, nor where they themselves spell what must not pass.
Result<> JsonWalk::drop_logprobs() {
  for (const auto raw : logprobs_) {
    if (!edits_.empty() || result_.verdict != Verdict::allow) break;
    SB_TRY(const auto spelt, spell_logprobs(raw));
    for (const std::string_view text : {std::string_view(spelt.tokens), std::string_view(spelt.beside)}) {
      SB_TRY(const Verdict verdict, guard_into(policy_, context_, text, {}, scratch_, result_.findings));
      result_.verdict = std::max(result_.verdict, verdict);
    }
  }
  if (edits_.empty() && result_.verdict == Verdict::allow) return {};
  for (const auto raw : logprobs_) edits_.replace(static_cast<std::size_t>(raw.data() - base_), raw.size(), "null");
  return {};
}

Result<> JsonWalk::string_leaf(od::value v, const Under& under) {
  const std::string_view token = v.raw_json_token();
  std::string_view text;
  if (const auto error = v.get_string().get(text)) return invalid(error);
  last_text_ = text;
  const std::size_t offset = static_cast<std::size_t>(token.data() - base_) + 1;
  const std::size_t size = token.rfind('"') - 1;
  const auto kind = under.member ? under.member->kind : MemberKind::text;
  const bool is_name = kind == MemberKind::identifier || kind == MemberKind::reference;
  const bool is_file = kind == MemberKind::payload && under.place != ChatPlace::vector;
  if (auto coded = is_name ? std::nullopt : read_coded_text(text, is_file || under.key == "file_data"))
    return coded_leaf(*std::move(coded), offset, size, under);
  if (is_passed_over(under.member, text)) {
    note_identifier(text, under);
    if (!is_name || !goes_to_a_provider()) return {};
  }
  if (is_media(text)) return {};
  if (goes_to_a_provider() && (is_name || kind == MemberKind::payload))
    return identifier_leaf(text, offset, size, under);
  if (in_parts_ && under.place == ChatPlace::part && under.key == "text") {
    const PartCut* const cut = seams_.cut_at(offset);
    parts_.places.push_back({offset, size, cut});
    parts_.texts.emplace_back(own_text(text, cut));
    return {};
  }
  const bool is_called = (under.place == ChatPlace::function && under.key == "name") ||
                         (under.place == ChatPlace::schema && holds_program_names(under.key));
  const PartCut* const cut = seams_.cut_at(offset);
  const auto own = own_text(text, cut);
  SB_TRY(const Verdict verdict, is_called&& is_program_name(own) ? program_name(own) : text_leaf(own, under.label));
  result_.verdict = std::max(result_.verdict, verdict);
  std::string_view guarded = verdict == Verdict::allow ? own : std::string_view(scratch_.text);
  if (cut != nullptr) {
    scratch_.text = std::string(guarded) + cut->behind;
    guarded = scratch_.text;
  }
  note_string(guarded, under);
  if (guarded != text) edit_string(offset, size, guarded);
  return {};
}

// A file that is text is looked at as that, and coded again. What its head says beside the type is anybody's words.
Result<> JsonWalk::coded_leaf(CodedText coded, std::size_t offset, std::size_t size, const Under& under) {
  bool changes = false;
  if (!coded.named.empty()) {
    SB_TRY(const Verdict verdict, program_name(coded.named));
    result_.verdict = std::max(result_.verdict, verdict);
    changes = verdict != Verdict::allow && scratch_.text != coded.named;
    if (changes) coded.head.replace(coded.head.find(coded.named), coded.named.size(), scratch_.text);
  }
  SB_TRY(const Verdict verdict, text_leaf(coded.text, under.label));
  result_.verdict = std::max(result_.verdict, verdict);
  const std::string guarded = verdict == Verdict::allow ? coded.text : scratch_.text;
  note_string(guarded, under);
  changes = changes || guarded != coded.text;
  std::string bytes = bytes_of(coded, guarded);
  if (coded.code != TextCode::utf8) {
    // Whoever reads it may not believe that it is UTF-16: what its bytes say as they are must not act either.
    SB_TRY(const Verdict plain, text_leaf(bytes, under.label));
    result_.verdict = std::max(result_.verdict, plain);
    changes = changes || (plain != Verdict::allow && scratch_.text != bytes);
    if (plain != Verdict::allow) bytes = scratch_.text;
  }
  if (changes) edit_string(offset, size, code_bytes(coded, bytes));
  return {};
}

// An identifier, or the address of a picture. The model of a request only says which one of ours is meant.
Result<> JsonWalk::identifier_leaf(std::string_view text, std::size_t offset, std::size_t size, const Under& under) {
  const bool is_known = is_passed_over(under.member, text);
  if (is_protocol_word(text) || (is_known && under.place == ChatPlace::request && under.key == "model")) return {};
  SB_TRY(const Verdict verdict, program_name(text));
  result_.verdict = std::max(result_.verdict, verdict);
  const bool changes = verdict != Verdict::allow && scratch_.text != text;
  if (!changes) {
    if (under.member->kind == MemberKind::payload) note_string(text, under);
    return {};
  }
  if (under.member->kind == MemberKind::reference) {
    edit_string(offset, size, stand_in_for(context_.tenant_key, text));
  } else {
    edit_string(offset, size, scratch_.text);  // for the record
    cannot_change(under.key);
  }
  return {};
}

// Nobody is named in it, and its words are set apart by underlines: a second look sees them as words. What stands for
// it is then in `scratch_.text`.
Result<Verdict> JsonWalk::program_name(std::string_view text) {
  context_.prose = false;
  auto verdict = guard_into(policy_, context_, text, {}, scratch_, result_.findings);
  if (verdict && *verdict == Verdict::allow && text.contains('_')) {
    std::string words(text);
    std::ranges::replace(words, '_', ' ');
    verdict = guard_into(policy_, context_, words, {}, scratch_, result_.findings);
    std::ranges::replace(scratch_.text, ' ', '_');
  }
  context_.prose = true;
  return verdict;
}

void JsonWalk::cannot_change(std::string_view key) {
  result_.verdict = Verdict::block;
  if (result_.fixed.empty()) result_.fixed = key;
}

// A member's name may say as much as its value. `masked_names`: of the object, that may be alike now.
Result<> JsonWalk::name(const char* raw, const Under& under, const Under& outer, std::uint32_t& masked_names) {
  const std::string_view key = under.key;
  const bool in_schema = under.place == ChatPlace::schema;
  const std::size_t found = result_.findings.size();
  SB_TRY(const Verdict verdict, in_schema&& is_program_name(key)
                                    ? program_name(key)
                                    : guard_into(policy_, context_, key, {}, scratch_, result_.findings));
  result_.verdict = std::max(result_.verdict, verdict);
  if (context_.texts && !(in_schema && is_schema_word(outer.key, key)))
    names_.append(verdict == Verdict::allow ? key : std::string_view(scratch_.text)) += '\n';
  if (verdict == Verdict::allow || scratch_.text == key) return {};
  std::size_t size = 0;
  while (raw[size] != '"') size += raw[size] == '\\' ? 2 : 1;
  std::string escaped;
  append_json_escaped(escaped, scratch_.text);
  if (may_be_alike(std::span(result_.findings).subspan(found)) && ++masked_names > 1)
    escaped += fmt::format("_{}", masked_names);
  edits_.replace(static_cast<std::size_t>(raw - base_), size, std::move(escaped));
  return {};
}

// A card number need not be quoted. What replaces it is a string.
Result<> JsonWalk::number_leaf(od::value v, const Under& under) {
  std::string_view token = v.raw_json_token();
  while (!token.empty() && is_a(static_cast<unsigned char>(token.back()), kBlank)) token.remove_suffix(1);
  double number = 0;
  const bool is_double = !v.get_double().get(number);
  if (!is_double && !is_json_number(token)) return invalid(simdjson::NUMBER_ERROR);
  // Nearly all are small or have a fraction; of a vector's, all.
  constexpr double kLeastIdentifying = 1e6;
  if (is_double && (std::abs(number) < kLeastIdentifying || number != std::trunc(number))) return {};
  const bool is_fixed = is_protocol_number(under.place, under.member);
  if (is_fixed && (!goes_to_a_provider() || under.place != ChatPlace::request)) return {};
  const auto digits = identifying_digits(token, number_);
  if (digits.empty()) return {};
  SB_TRY(const Verdict verdict, guard_into(policy_, context_, digits, under.label, scratch_, result_.findings));
  result_.verdict = std::max(result_.verdict, verdict);
  if (verdict == Verdict::allow || scratch_.text == digits) return {};
  std::string instead;
  if (is_fixed && under.key == "seed")
    instead = fmt::to_string(stand_in_number(context_.tenant_key, digits));
  else
    append_json_string(instead, scratch_.text);
  if (is_fixed && under.key != "seed") cannot_change(under.key);
  edits_.replace(static_cast<std::size_t>(token.data() - base_), token.size(), std::move(instead));
  return {};
}

void JsonWalk::note_identifier(std::string_view text, const Under& under) {
  if (profile_ != JsonProfile::chat_request) return;
  auto& features = result_.features;
  if (under.place == ChatPlace::message && under.key == "role") {
    message_is_user_ = text == "user";
    message_is_history_ = text == "system" || text == "developer" || text == "assistant";
  } else if (under.place == ChatPlace::part && under.key == "type") {
    features.has_images = features.has_images || is_media_type(text);
  } else if (under.place == ChatPlace::response_format && under.key == "type") {
    features.has_json_schema = text == "json_schema";
    features.wants_json = text == "json_schema" || text == "json_object";
  }
}

// What checks look at, and the words of the message.
void JsonWalk::note_string(std::string_view text, const Under& under) {
  const bool said = (under.place == ChatPlace::message && (under.key == "content" || under.key == "refusal")) ||
                    ((under.place == ChatPlace::part || under.place == ChatPlace::choice) && under.key == "text");
  if (said && profile_ == JsonProfile::chat_request) {
    if (!message_text_.empty()) message_text_ += '\n';
    message_text_ += text;
    result_.features.text_bytes += static_cast<std::uint32_t>(text.size());
  } else if (!context_.texts) {
    return;
  } else if (said || profile_ == JsonProfile::any) {
    if (said && trim(text).empty()) return;  // beside tools' calls a model says nothing so
    answer_.says = answer_.says || said;
    note_text(std::string(text), said ? TextRole::answer : TextRole::outside);
  } else {
    // What a model reads in a message is the message's, however deep it stands: results of tools, documents.
    auto& texts = in_parts_ && profile_ == JsonProfile::chat_request ? message_nested_ : beside_;
    if (!texts.empty()) texts += '\n';
    texts += text;
  }
}

// A reader sees the parts as one text: a word that is cut in two is one there.
void JsonWalk::note_together(const std::vector<std::string>& parts) {
  auto together = fmt::format("{}", fmt::join(parts, ""));
  if (profile_ == JsonProfile::chat_request)
    message_together_ = std::move(together);
  else
    note_text(fmt::format("{}\n{}", together, fmt::join(parts, "\n")), TextRole::answer, false);
}

// What a document has beside its messages.
void JsonWalk::note_rest() {
  if (!beside_.empty()) note_text(std::move(beside_), TextRole::beside);
  if (!names_.empty()) note_text(std::move(names_), TextRole::beside, false);
  if (has_choices_ && answers_ == 0) note_text({}, TextRole::answer);
}

void JsonWalk::note_text(std::string text, TextRole role, bool counts) {
  if (context_.texts) context_.texts->push_back({std::move(text), role, counts});
}

// An answer without a text is an empty one, unless it is to come when the tools have answered.
void JsonWalk::end_answer() {
  ++answers_;
  if (!answer_.says && !answer_.calls) note_text({}, TextRole::answer);
}

void JsonWalk::begin_message() {
  ++result_.features.message_count;
  message_text_.clear();
  message_nested_.clear();
  message_together_.clear();
  message_is_user_ = message_is_history_ = false;
}

void JsonWalk::end_message() {
  if (context_.texts && !(message_text_.empty() && message_nested_.empty())) {
    const std::string_view between = message_text_.empty() || message_nested_.empty() ? "" : "\n";
    const auto role = message_is_history_ ? TextRole::history : TextRole::outside;
    note_text(fmt::format("{}{}{}", message_text_, between, message_nested_), role);
    if (!message_together_.empty()) note_text(std::move(message_together_), role, false);
  }
  if (message_is_user_) std::swap(result_.last_user_text, message_text_);
}

}  // namespace sb::policy
