/// Server-sent events (WHATWG HTML, section 9.2), both ways.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb::http {

struct SseEvent {
  std::string event;  ///< empty: "message"
  std::string data;
  std::string id;
};

/// Splits a byte stream into events, however it is cut. Lines end in LF, CR or CRLF; comments are skipped.
class SseParser {
 public:
  explicit SseParser(std::size_t event_bytes_max = 4 * 1024 * 1024) : event_bytes_max_(event_bytes_max) {}

  /// Appends the finished events to `events`. Errors: too_large (one event over the limit).
  Result<> feed(std::string_view bytes, std::vector<SseEvent>& events);
  /// True if bytes of an unfinished event are held: the stream was cut.
  bool mid_event() const;

 private:
  void take_line(std::string_view line, std::vector<SseEvent>& events);

  std::size_t event_bytes_max_;
  std::string line_;
  SseEvent current_;
  bool has_data_ = false;
  bool skip_lf_ = false;
  bool first_line_ = true;
};

/// "id: 7\ndata: {...}\n\n"; `data` must hold no line break (JSON on one line).
std::string sse_frame(std::string_view data, std::string_view id = {}, std::string_view event = {});
/// A line on its own, which belongs to the event behind it: openai-python takes an empty line after a lone comment for
/// an event without data, and fails.
inline constexpr std::string_view kSseComment = ": keep-alive\n";

}  // namespace sb::http
