#include "policy/chat_chunk.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/json_walk.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

constexpr std::string_view kTextFields[] = {"content", "refusal", "reasoning_content", "reasoning"};

// Simdjson's errors end the reading of the whole chunk: thrown here, caught in read_chat_chunk, nowhere else.
class ChunkReader {
 public:
  ChunkReader(const char* base, ChatChunk& chunk) : base_(base), chunk_(chunk) {}

  void top(od::object object) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      od::value value = field.value();
      if (key == "choices") {
        choices(value);
      } else {
        if (key == "usage" && value.type() != od::json_type::null) chunk_.only_text = false;
        other(value, key, 1);
      }
    }
  }

 private:
  void choices(od::value value) {
    chunk_.choices_at = place_of(value.raw_json_token()) + 1;
    for (od::object choice : value.get_array()) {
      const std::size_t first_piece = chunk_.pieces.size();
      const std::size_t first_logprobs = chunk_.logprobs.size();
      std::int64_t index = 0;
      bool finished = false;
      for (auto field : choice) {
        const std::string_view key = field.unescaped_key();
        od::value member = field.value();
        const auto type = member.type().value();
        if (type == od::json_type::null) continue;
        if (key == "index") {
          index = member.get_int64();
        } else if (key == "delta") {
          delta(member.get_object());
        } else if (key == "logprobs" && type == od::json_type::object) {
          logprobs(member.get_object());
        } else {
          if (key == "finish_reason")
            finished = true;
          else
            chunk_.only_text = false;
          other(member, key, 3);
        }
      }
      for (std::size_t i = first_piece; i < chunk_.pieces.size(); ++i) chunk_.pieces[i].choice = index;
      for (std::size_t i = first_logprobs; i < chunk_.logprobs.size(); ++i) chunk_.logprobs[i].choice = index;
      if (finished) chunk_.finished.push_back(index);
    }
  }

  void delta(od::object object) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      od::value value = field.value();
      const auto type = value.type().value();
      if (type == od::json_type::null) continue;
      if (type == od::json_type::string && std::ranges::find(kTextFields, key) != std::end(kTextFields)) {
        piece(value, key, ChatPiece::kNoTool);
      } else if (key == "tool_calls" && type == od::json_type::array) {
        for (od::object call : value.get_array()) tool_call(call);
      } else if (key == "function_call" && type == od::json_type::object) {
        function(value.get_object(), ChatPiece::kLegacyFunction);
      } else {
        chunk_.only_text = false;
        other(value, key, 4);
      }
    }
  }

  void tool_call(od::object call) {
    const std::size_t first = chunk_.pieces.size();
    std::int64_t index = 0;
    for (auto field : call) {
      const std::string_view key = field.unescaped_key();
      od::value value = field.value();
      if (value.type() == od::json_type::null) continue;
      if (key == "index") {
        index = value.get_int64();
      } else if (key == "function") {
        function(value.get_object(), 0);
      } else {
        chunk_.only_text = false;
        other(value, key, 6);
      }
    }
    for (std::size_t i = first; i < chunk_.pieces.size(); ++i) chunk_.pieces[i].tool = index;
  }

  void function(od::object object, std::int64_t tool) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      od::value value = field.value();
      const auto type = value.type().value();
      if (key == "arguments" && type == od::json_type::string) {
        piece(value, key, tool);
      } else if (type != od::json_type::null) {
        chunk_.only_text = false;
        other(value, key, 7);
      }
    }
  }

  void piece(od::value value, std::string_view field, std::int64_t tool) {
    const std::string_view token = value.raw_json_token();
    const std::string_view text = value.get_string();
    chunk_.pieces.push_back(
        {0, tool, std::string(field), std::string(text), place_of(token) + 1, token.rfind('"') - 1});
  }

  // Whatever a vendor adds. `depth`: of the value.
  void other(od::value value, std::string_view key, int depth) {
    if (depth > kMaxJsonDepth) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
    const auto type = value.type().value();
    if (type == od::json_type::object) {
      for (auto field : value.get_object()) {
        const std::string_view name = field.unescaped_key();
        other(field.value(), name, depth + 1);
      }
    } else if (type == od::json_type::array) {
      for (od::value element : value.get_array()) other(element, key, depth + 1);
    } else if (type == od::json_type::string) {
      const std::string_view token = value.raw_json_token();
      const std::string_view text = value.get_string();
      if (is_passed_over(key, text)) return;
      chunk_.others.push_back(
          {0, ChatPiece::kNoTool, std::string(key), std::string(text), place_of(token) + 1, token.rfind('"') - 1});
    }
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

Result<> read_chat_chunk(std::string_view payload, ChatChunk& chunk) {
  chunk.pieces.clear();
  chunk.logprobs.clear();
  chunk.others.clear();
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
