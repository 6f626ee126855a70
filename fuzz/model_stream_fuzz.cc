// What a hostile or broken provider may send: event streams, whole replies and chunks. Checked beyond not crashing:
// every chunk handed out is one line of JSON, the result does not depend on where the bytes were cut, and requests that
// can be edited stay valid JSON.
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "http/sse.h"
#include "model/anthropic_reply.h"
#include "model/anthropic_request.h"
#include "model/error_body.h"
#include "model/openai_wire.h"

namespace {

using sb::model::AnthropicReplyOptions;

struct Played {
  std::deque<std::string> chunks;
  bool finished = false;
};

Played play(std::string_view bytes, std::size_t cut) {
  Played played;
  sb::http::SseParser parser(64 * 1024);
  sb::model::AnthropicStreamTranslator translator(AnthropicReplyOptions{"m", "json_answer", 1}, true);
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    std::vector<sb::http::SseEvent> events;
    const bool fed = parser.feed(part, events).has_value();
    for (const auto& event : events) {
      if (!translator.feed(event.data, played.chunks)) return played;
    }
    if (!fed) return played;
  }
  played.finished = translator.finished();
  return played;
}

void check_anthropic(std::string_view text, std::size_t cut) {
  const Played whole = play(text, 0);
  for (const auto& chunk : whole.chunks) {
    SB_ASSERT(sb::parse_json(chunk).has_value());
    SB_ASSERT(chunk.find('\n') == std::string::npos);
  }
  const Played parts = play(text, cut);
  SB_ASSERT(parts.chunks == whole.chunks && parts.finished == whole.finished);
  if (const auto reply = sb::model::from_anthropic(text, {"m", "", 1}))
    SB_ASSERT(sb::parse_json(reply->body).has_value());
  if (const auto error = sb::model::error_from_anthropic(text); !error.empty())
    SB_ASSERT(sb::model::is_openai_error(error));
  if (const auto request = sb::model::to_anthropic(text, "u", true, 10))
    SB_ASSERT(sb::parse_json(request->body).has_value());
}

void check_openai(std::string_view text) {
  sb::model::TokenEstimate output;
  (void)sb::model::read_chunk(std::string(text), "asked", output);
  (void)sb::model::read_reply(std::string(text), "choices", "asked");
  (void)sb::model::estimate_input_tokens(text);
  (void)sb::model::estimate_output_tokens(text);
  // simdjson skips over values it is not asked for: what it lets pass need not be valid where our strict parser looks.
  const bool valid = sb::parse_json(text).has_value();
  const auto edited = sb::model::edit_chat_request(text, {"u\"", true});
  if (valid && edited) SB_ASSERT(sb::parse_json(*edited).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_anthropic(text, text.empty() ? 0 : data[0] % text.size());
  check_openai(text);
  return 0;
}
