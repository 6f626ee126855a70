#include "policy/chat_chunk.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "policy/chat_shape.h"
#include "policy/detect/bytes_class.h"
#include "policy/json_number.h"
#include "policy/json_walk.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

// By ChatText::Field.
constexpr std::string_view kTextFields[] = {"content",    "refusal",   "reasoning_content",
                                            "reasoning",  "thinking",  "reasoning_text",
                                            "transcript", "arguments", "name",
                                            "input",      "text",      "summary"};
constexpr auto kDeltaFields = std::span(kTextFields).first(6);

ChatText::Field field_of(std::string_view key) {
  return static_cast<ChatText::Field>(std::ranges::find(kTextFields, key) - std::begin(kTextFields));
}

// Simdjson's errors end the reading of the whole chunk: thrown here, caught in read_chat_chunk, nowhere else.
class ChunkReader {
 public:
  ChunkReader(const char* base, ChatChunk& chunk) : base_(base), chunk_(chunk) {}

  void top(od::object object) {
    for (auto field : object) {
      Member member(field, ChatPlace::response);
      if (member.key == "choices") {
        choices(member.value);
      } else {
        if (member.key == "usage" && member.type() != od::json_type::null) chunk_.only_text = false;
        aside(member, 1);
      }
    }
  }

 private:
  struct Member {
    Member(simdjson::simdjson_result<od::field> field, ChatPlace in)
        : raw_key(field.key().value().raw()), key(field.unescaped_key()), value(field.value()), place(in) {}
    od::json_type type() { return value.type(); }

    const char* raw_key;
    std::string_view key;
    od::value value;
    ChatPlace place;  // of the object that has it
  };
  struct Under {
    std::string_view key;
    ChatPlace place;
    const ChatMember* member;
  };

  void choices(od::value value) {
    chunk_.choices_at = place_of(value.raw_json_token()) + 1;
    for (od::object choice : value.get_array()) {
      const std::size_t first_piece = chunk_.pieces.size();
      const std::size_t first_logprobs = chunk_.logprobs.size();
      std::int64_t index = 0;
      bool finished = false;
      for (auto field : choice) {
        Member member(field, ChatPlace::choice);
        const auto type = member.type();
        if (type == od::json_type::null) continue;
        if (member.key == "index") {
          index = member.value.get_int64();
        } else if (member.key == "delta") {
          delta(member.value.get_object());
        } else if (member.key == "text" && type == od::json_type::string) {
          piece(member, ChatText::In::completion);
        } else if (member.key == "logprobs" && type == od::json_type::object) {
          logprobs(member.value.get_object());
        } else {
          if (member.key == "finish_reason")
            finished = true;
          else
            chunk_.only_text = false;
          aside(member, 3);
        }
      }
      for (std::size_t i = first_piece; i < chunk_.pieces.size(); ++i) chunk_.pieces[i].of.choice = index;
      for (std::size_t i = first_logprobs; i < chunk_.logprobs.size(); ++i) chunk_.logprobs[i].choice = index;
      if (finished) chunk_.finished.push_back(index);
    }
  }

  void delta(od::object object) {
    for (auto field : object) {
      Member member(field, ChatPlace::message);
      const auto type = member.type();
      if (type == od::json_type::null) continue;
      if (type == od::json_type::string && std::ranges::find(kDeltaFields, member.key) != kDeltaFields.end()) {
        piece(member, ChatText::In::delta);
      } else if (member.key == "tool_calls" && type == od::json_type::array) {
        for (od::object call : member.value.get_array()) tool_call(call);
      } else if (member.key == "function_call" && type == od::json_type::object) {
        texts_in(member.value.get_object(), ChatPlace::function, ChatText::In::function_call, 5);
      } else if (member.key == "audio" && type == od::json_type::object) {
        texts_in(member.value.get_object(), ChatPlace::audio, ChatText::In::audio, 5);
      } else if (member.key == "reasoning_details" && type == od::json_type::array) {
        std::int64_t index = 0;
        for (od::object detail : member.value.get_array())
          numbered(detail, index++, ChatPlace::reasoning, ChatText::In::reasoning_detail);
      } else if (member.key == "thinking_blocks" && type == od::json_type::array) {
        std::int64_t index = 0;
        for (od::object block : member.value.get_array())
          numbered(block, index++, ChatPlace::reasoning, ChatText::In::thinking_block);
      } else if (member.key == "content" && type == od::json_type::array) {
        parts(member.value.get_array(), ChatText::In::part);
      } else {
        chunk_.only_text = false;
        aside(member, 4);
      }
    }
  }

  // A content that is a list, or the list of a part's thoughts.
  void parts(od::array array, ChatText::In in) {
    for (od::value element : array) {
      if (element.type() != od::json_type::object) {
        value_aside(element, {"content", ChatPlace::message, nullptr}, 5);
        continue;
      }
      for (auto field : element.get_object()) {
        Member member(field, ChatPlace::part);
        const auto type = member.type();
        if (member.key == "text" && type == od::json_type::string) {
          piece(member, in);
        } else if (member.key == "thinking" && type == od::json_type::string) {
          piece(member, ChatText::In::thought);
        } else if (member.key == "thinking" && type == od::json_type::array && in == ChatText::In::part) {
          parts(member.value.get_array(), ChatText::In::thought);
        } else {
          // A part of another type is itself what is sent, not only its text.
          if (member.key != "type" || !is_text_type(member)) chunk_.only_text = false;
          if (type != od::json_type::null) aside(member, 6);
        }
      }
    }
  }

  static bool is_text_type(Member& member) {
    const std::string_view token = member.value.raw_json_token();
    return token.starts_with("\"text\"") || token.starts_with("\"thinking\"");
  }

  void tool_call(od::object call) { numbered(call, 0, ChatPlace::tool_call, ChatText::In::tool_call); }

  // An element of a list that says by "index" which one it goes on with; `index`: where it does not say.
  void numbered(od::object object, std::int64_t index, ChatPlace place, ChatText::In in) {
    const std::size_t first = chunk_.pieces.size();
    for (auto field : object) {
      Member member(field, place);
      if (member.type() == od::json_type::null) continue;
      if (member.key == "index") {
        index = member.value.get_int64();
      } else if (member.key == "function" && member.type() == od::json_type::object) {
        texts_in(member.value.get_object(), ChatPlace::function, in, 7);
      } else if (member.key == "custom" && member.type() == od::json_type::object) {
        texts_in(member.value.get_object(), ChatPlace::function, ChatText::In::custom_call, 7);
      } else if (!is_text(member, in)) {
        chunk_.only_text = false;
        aside(member, 6);
      } else {
        piece(member, in);
      }
    }
    for (std::size_t i = first; i < chunk_.pieces.size(); ++i) chunk_.pieces[i].of.index = index;
  }

  void texts_in(od::object object, ChatPlace place, ChatText::In in, int depth) {
    for (auto field : object) {
      Member member(field, place);
      if (member.type() == od::json_type::null) continue;
      if (is_text(member, in)) {
        piece(member, in);
      } else {
        chunk_.only_text = false;
        aside(member, depth);
      }
    }
  }

  static bool is_text(Member& member, ChatText::In in) {
    if (member.type() != od::json_type::string) return false;
    switch (in) {
      case ChatText::In::delta:
      case ChatText::In::completion:
      case ChatText::In::part:
      case ChatText::In::thought:
        return true;
      case ChatText::In::audio:
        return member.key == "transcript";
      case ChatText::In::function_call:
      case ChatText::In::tool_call:
        return member.place == ChatPlace::function && (member.key == "arguments" || member.key == "name");
      case ChatText::In::custom_call:
        return member.key == "input" || member.key == "name";
      case ChatText::In::reasoning_detail:
        return member.key == "text" || member.key == "summary";
      case ChatText::In::thinking_block:
        return member.key == "thinking";
    }
    return false;
  }

  void piece(Member& member, ChatText::In in) {
    const std::string_view token = member.value.raw_json_token();
    const std::string_view text = member.value.get_string();
    chunk_.pieces.push_back(
        {{0, 0, in, field_of(member.key)}, std::string(text), place_of(token) + 1, token.rfind('"') - 1});
  }

  // Whatever a vendor adds. `depth`: of the value.
  void aside(Member& member, int depth) {
    const Under under{member.key, member.place, chat_member(member.place, member.key)};
    if (!under.member) {
      std::size_t size = 0;
      while (member.raw_key[size] != '"') size += member.raw_key[size] == '\\' ? 2 : 1;
      const auto offset = static_cast<std::size_t>(member.raw_key - base_);
      chunk_.asides.push_back({ChatAside::Kind::name, {}, std::string(member.key), offset, size});
    }
    value_aside(member.value, under, depth);
  }

  void value_aside(od::value value, const Under& under, int depth) {
    if (depth > kMaxJsonDepth) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
    const auto type = value.type().value();
    if (type == od::json_type::object) {
      for (auto field : value.get_object()) {
        Member member(field, place_inside(under.place, under.member));
        aside(member, depth + 1);
      }
    } else if (type == od::json_type::array) {
      for (od::value element : value.get_array()) value_aside(element, under, depth + 1);
    } else if (type == od::json_type::string) {
      const std::string_view token = value.raw_json_token();
      const std::string_view text = value.get_string();
      if (is_passed_over(under.member, text) || is_media(text)) return;
      chunk_.asides.push_back({ChatAside::Kind::text, std::string(under.key), std::string(text), place_of(token) + 1,
                               token.rfind('"') - 1});
    } else if (type == od::json_type::number) {
      number_aside(value, under);
    }
  }

  void number_aside(od::value value, const Under& under) {
    if (is_protocol_number(under.place, under.member)) return;
    std::string_view token = value.raw_json_token();
    while (!token.empty() && is_a(static_cast<unsigned char>(token.back()), kBlank)) token.remove_suffix(1);
    if (!is_json_number(token)) throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
    chunk_.asides.push_back(
        {ChatAside::Kind::number, std::string(under.key), std::string(token), place_of(token), token.size()});
  }

  void logprobs(od::object object) {
    const std::string_view raw = object.raw_json();
    std::size_t size = raw.size();
    while (size > 0 && raw[size - 1] != '}') --size;  // the raw text may reach into the blanks behind
    chunk_.logprobs.push_back({0, place_of(raw), size});
  }

  std::size_t place_of(std::string_view raw) const { return static_cast<std::size_t>(raw.data() - base_); }

  const char* base_;
  ChatChunk& chunk_;
};

}  // namespace

std::string_view ChatText::key() const {
  return kTextFields[static_cast<std::size_t>(field)];
}

Result<> read_chat_chunk(std::string_view payload, ChatChunk& chunk) {
  chunk.pieces.clear();
  chunk.logprobs.clear();
  chunk.asides.clear();
  chunk.finished.clear();
  chunk.choices_at = 0;
  chunk.only_text = true;
  if (payload.size() > kMaxJsonBytes) return fail(Errc::too_large, "stream chunk: too large");
  auto& slot = json_slot();
  try {
    auto document = slot.iterate(payload).value();
    ChunkReader(slot.input.data(), chunk).top(document.get_object());
    const char* more = nullptr;
    if (!document.current_location().get(more))
      return fail(Errc::upstream_invalid, "stream chunk: text behind the JSON object");
  } catch (const simdjson::simdjson_error& error) {
    return fail(Errc::upstream_invalid, fmt::format("stream chunk: {}", error.what()));
  }
  slot.shrink();
  return {};
}

}  // namespace sb::policy
