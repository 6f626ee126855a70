#include "flow/chat_completion.h"

#include <algorithm>

#include <fmt/format.h>

namespace sb::flow {
namespace {

std::string usage_json(const model::Usage& usage) {
  return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", usage.input_tokens,
                     usage.output_tokens, usage.input_tokens + usage.output_tokens);
}

void append_text(json::object& into, std::string_view key, const json::value& piece) {
  if (!piece.is_string()) return;
  auto& slot = into[key];
  if (!slot.is_string()) slot = json::string();
  slot.get_string().append(piece.get_string());
}

// Of what stands in an object that comes in pieces these members go on; others say the same again.
bool goes_on(std::string_view key) {
  static constexpr std::string_view kKeys[] = {"text", "thinking", "summary", "transcript", "data", "signature"};
  return std::ranges::find(kKeys, key) != std::end(kKeys);
}

void merge_list(json::array& into, const json::array& pieces);

void merge_object(json::object& into, const json::object& piece) {
  for (const auto& [key, value] : piece) {
    if (value.is_string() && goes_on(key)) {
      append_text(into, key, value);
    } else if (const auto* list = value.if_array()) {
      auto& slot = into[key];
      if (!slot.is_array()) slot = json::array();
      merge_list(slot.get_array(), *list);
    } else if (!value.is_null() || !into.contains(key)) {
      into[key] = value;
    }
  }
}

// The element that a piece goes on with: of its index, or, where it has none, the last one if that is of its type.
json::object* element_for(json::array& list, const json::object& piece) {
  if (list.empty()) return nullptr;
  if (!piece.contains("index")) {
    auto* last = list.back().if_object();
    const bool alike = last && string_member(*last, "type") == string_member(piece, "type");
    return alike && std::ranges::any_of(piece, [](const auto& member) { return goes_on(member.key()); }) ? last
                                                                                                         : nullptr;
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto* element = list[i].if_object();
    if (element && int_member(*element, "index", static_cast<std::int64_t>(i)) == int_member(piece, "index"))
      return element;
  }
  return nullptr;
}

void merge_list(json::array& into, const json::array& pieces) {
  for (const auto& piece : pieces) {
    const auto* object = piece.if_object();
    if (auto* element = object ? element_for(into, *object) : nullptr)
      merge_object(*element, *object);
    else
      into.push_back(piece);
  }
}

json::object chunk_head(const json::value& completion) {
  json::object head;
  for (const char* key : {"id", "created", "model", "service_tier", "system_fingerprint"}) {
    if (const auto* value = find_member(completion, key)) head[key] = *value;
  }
  head["object"] = "chat.completion.chunk";
  return head;
}

// A stream's tool calls carry their index; a whole message's do not.
json::value delta_of(const json::value& message) {
  json::value delta = message;
  auto* object = delta.if_object();
  if (!object) return json::object();
  if (auto* calls = object->if_contains("tool_calls"); calls && calls->is_array()) {
    std::int64_t index = 0;
    for (auto& call : calls->get_array()) {
      if (call.is_object()) call.get_object()["index"] = index++;
    }
  }
  return delta;
}

}  // namespace

std::string completion_json(const CompletionFacts& facts, std::string_view text) {
  std::string out = fmt::format(R"({{"id":"chatcmpl-{}","object":"chat.completion","created":{},"model":)", facts.run,
                                facts.created_us / 1'000'000);
  append_json_string(out, facts.model);
  out += R"(,"choices":[{"index":0,"message":{"role":"assistant","content":)";
  append_json_string(out, text);
  out += R"(,"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":)";
  out += usage_json(facts.usage);
  out += '}';
  return out;
}

std::vector<std::string> completion_chunks(std::string_view completion, bool include_usage) {
  std::vector<std::string> chunks;
  const auto parsed = parse_json(completion).value_or(nullptr);
  const json::object head = chunk_head(parsed);
  const auto emit = [&](json::array choices, const json::value* usage) {
    json::object chunk = head;
    chunk["choices"] = std::move(choices);
    if (include_usage) chunk["usage"] = usage ? *usage : json::value(nullptr);
    chunks.push_back(to_text(chunk));
  };
  const auto* choices = find_member(parsed, "choices");
  for (const auto& choice : choices && choices->is_array() ? choices->get_array() : json::array()) {
    const auto* message = find_member(choice, "message");
    json::object first{{"index", int_member(choice, "index")},
                       {"delta", message ? delta_of(*message) : json::object()},
                       {"finish_reason", nullptr}};
    if (const auto* logprobs = find_member(choice, "logprobs")) first["logprobs"] = *logprobs;
    emit({std::move(first)}, nullptr);
    const auto* reason = find_member(choice, "finish_reason");
    emit({json::object{{"index", int_member(choice, "index")},
                       {"delta", json::object()},
                       {"finish_reason", reason ? *reason : json::value("stop")}}},
         nullptr);
  }
  if (include_usage) emit({}, find_member(parsed, "usage"));
  return chunks;
}

void CompletionAssembler::merge_delta(json::object& message, const json::object& delta) {
  for (const auto& [key, value] : delta) {
    if (key == "role") {
      message["role"] = value;
    } else if (key == "tool_calls" && value.is_array()) {
      auto& calls = message["tool_calls"];
      if (!calls.is_array()) calls = json::array();
      for (const auto& piece : value.get_array()) {
        const auto index = static_cast<std::size_t>(std::max<std::int64_t>(0, int_member(piece, "index")));
        if (index > 127) continue;  // OpenAI allows 128 tools
        auto& list = calls.get_array();
        while (list.size() <= index)
          list.push_back(
              json::object{{"type", "function"}, {"function", json::object{{"name", ""}, {"arguments", ""}}}});
        auto& call = list[index].get_object();
        if (const auto* id = find_member(piece, "id"); id && id->is_string()) call["id"] = *id;
        if (const auto* function = find_member(piece, "function"); function && function->is_object()) {
          auto& target = call["function"].get_object();
          if (const auto* name = find_member(*function, "name")) append_text(target, "name", *name);
          if (const auto* arguments = find_member(*function, "arguments")) append_text(target, "arguments", *arguments);
        }
      }
    } else if (value.is_string()) {
      append_text(message, key, value);
    } else if (const auto* list = value.if_array()) {
      auto& slot = message[key];
      if (!slot.is_array()) slot = json::array();
      merge_list(slot.get_array(), *list);
    } else if (const auto* object = value.if_object()) {
      auto& slot = message[key];
      if (!slot.is_object()) slot = json::object();
      merge_object(slot.get_object(), *object);
    } else if (!message.contains(key)) {
      message[key] = value;
    }
  }
}

// Nearly every chunk of an answer: more text of a choice that has begun, and nothing else.
bool CompletionAssembler::add_text(std::string_view chunk_payload) {
  if (head_.empty() || !policy::read_chat_chunk(chunk_payload, chunk_) || !chunk_.only_text) return false;
  if (!chunk_.finished.empty() || std::ranges::any_of(chunk_.pieces, [](const policy::ChatPiece& piece) {
        return piece.of.in != policy::ChatText::In::delta;
      }))
    return false;
  for (const auto& piece : chunk_.pieces) {
    auto& slot = choices_[piece.of.choice].message[piece.of.key()];
    if (!slot.is_string()) slot = json::string();
    slot.get_string().append(piece.text);
  }
  return true;
}

void CompletionAssembler::add(std::string_view chunk_payload) {
  if (add_text(chunk_payload)) return;
  const auto chunk = parse_json(chunk_payload).value_or(nullptr);
  if (!chunk.is_object()) return;
  if (head_.empty()) {
    head_ = chunk_head(chunk);
    head_["object"] = string_member(chunk, "object") == "text_completion" ? "text_completion" : "chat.completion";
  }
  if (const auto* usage = find_member(chunk, "usage"); usage && usage->is_object()) usage_ = *usage;
  const auto* choices = find_member(chunk, "choices");
  if (!choices || !choices->is_array()) return;
  for (const auto& choice : choices->get_array()) {
    auto& slot = choices_[int_member(choice, "index")];
    if (const auto* delta = find_member(choice, "delta"); delta && delta->is_object())
      merge_delta(slot.message, delta->get_object());
    if (const auto* text = find_member(choice, "text"); text && text->is_string()) {
      if (!slot.text) slot.text.emplace();
      slot.text->append(text->get_string());
    }
    if (const auto* reason = find_member(choice, "finish_reason"); reason && !reason->is_null())
      slot.finish_reason = *reason;
  }
}

std::string CompletionAssembler::finish(const model::Usage& usage) const {
  json::object whole = head_;
  json::array choices;
  for (const auto& [index, choice] : choices_) {
    json::object one{{"index", index}};
    if (choice.text) one["text"] = *choice.text;
    if (!choice.text || !choice.message.empty()) {
      json::object message = choice.message;
      if (!message.contains("role")) message["role"] = "assistant";
      if (!message.contains("content")) message["content"] = nullptr;
      one["message"] = std::move(message);
    }
    one["finish_reason"] = choice.finish_reason;
    choices.push_back(std::move(one));
  }
  whole["choices"] = std::move(choices);
  whole["usage"] = usage_.is_object() ? usage_ : parse_json(usage_json(usage)).value_or(nullptr);
  return to_text(whole);
}

std::string answer_text(const json::value& completion) {
  const auto* choices = find_member(completion, "choices");
  if (!choices || !choices->is_array() || choices->get_array().empty()) return {};
  const auto& first = choices->get_array().front();
  const auto* message = find_member(first, "message");
  return std::string(message ? string_member(*message, "content") : string_member(first, "text"));
}

}  // namespace sb::flow
