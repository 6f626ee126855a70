// Request, response and event stream framing: any bytes, cut anywhere, must be taken apart the same way or be refused.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/errors.h"
#include "http/parser.h"
#include "http/sse.h"

namespace {

using namespace sb;
using http::MessageParser;

constexpr http::ParserLimits kLimits{.head_bytes_max = 2'048, .body_bytes_max = 4'096};
constexpr std::size_t kMessagesMax = 64;

/// All messages of `text` written out again, or what was understood before the first fault.
std::string understand(std::string text, std::size_t piece, MessageParser::Kind kind) {
  MessageParser parser(kind, kLimits);
  std::string seen;
  std::string body;
  std::size_t messages = 0;
  for (std::size_t at = 0; at < text.size() && messages < kMessagesMax;) {
    const auto size = std::min(piece, text.size() - at);
    const auto fed = parser.feed({text.data() + at, size});
    if (!fed) {
      SB_ASSERT(fed.error().status >= 400 && fed.error().status < 600);
      return seen + "refused";
    }
    SB_ASSERT(fed->consumed == size || parser.complete());
    SB_ASSERT(fed->consumed > 0);
    body += fed->body;
    SB_ASSERT(body.size() <= kLimits.body_bytes_max);
    at += fed->consumed;
    if (!parser.complete()) continue;
    seen += parser.method + " " + parser.target + " " + std::to_string(parser.status) + "\n";
    for (const auto& [name, value] : parser.headers) {
      SB_ASSERT(value.find_first_of("\r\n") == std::string::npos);
      seen += name + ":" + value + "\n";
    }
    seen += body + "\n";
    body.clear();
    ++messages;
    if (!parser.keep_alive()) return seen + "closed";
    parser.reset();
  }
  return seen;
}

std::string events_of(std::string_view text, std::size_t piece) {
  http::SseParser parser(1'024);
  std::vector<http::SseEvent> events;
  std::string seen;
  while (!text.empty()) {
    const auto size = std::min(piece, text.size());
    if (!parser.feed(text.substr(0, size), events)) break;
    text.remove_prefix(size);
  }
  for (const auto& event : events) seen += event.event + "|" + event.data + "|" + event.id + "\n";
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 16'384) return 0;
  const std::size_t piece = 1 + data[0] % 64;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const auto kind : {MessageParser::Kind::request, MessageParser::Kind::response}) {
    const auto whole = understand(text, text.size() + 1, kind);
    const auto cut = understand(text, piece, kind);
    // The limit on framing overhead looks at what came together, so that a refusal may come later for larger pieces.
    if (!whole.ends_with("refused") && !cut.ends_with("refused")) SB_ASSERT(whole == cut);
  }
  if (size <= 1'024) SB_ASSERT(events_of(text, text.size() + 1) == events_of(text, piece));
  return 0;
}
