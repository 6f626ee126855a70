#include "http/sse.h"

#include <utility>

namespace sb::http {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// "data: x" -> {"data", "x"}: one blank after the colon is not part of the value.
std::pair<std::string_view, std::string_view> split_field(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return {line, {}};
  auto value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  return {line.substr(0, colon), value};
}

}  // namespace

Result<> SseParser::feed(std::string_view bytes, std::vector<SseEvent>& events) {
  while (!bytes.empty()) {
    if (std::exchange(skip_lf_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const auto end = bytes.find_first_of("\r\n");
    const auto part = bytes.substr(0, end);
    if (line_.size() + current_.data.size() + current_.event.size() + current_.id.size() + part.size() >
        event_bytes_max_) {
      return fail(Errc::too_large, "a server-sent event is over the limit of its reader");
    }
    if (end == std::string_view::npos) {
      line_.append(part);
      return {};
    }
    // A line that came in one piece is read where it lies.
    std::string_view line = part;
    if (!line_.empty()) line = line_.append(part);
    if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) line.remove_prefix(3);
    take_line(line, events);
    line_.clear();
    skip_lf_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
  }
  return {};
}

void SseParser::take_line(std::string_view line, std::vector<SseEvent>& events) {
  if (line.empty()) {
    // WHATWG: a blank line without any data line drops the event's name; the id stays with the connection, which is
    // the reader's business, so it is dropped here too.
    if (has_data_) events.push_back(std::move(current_));
    current_ = {};
    has_data_ = false;
    return;
  }
  if (line.front() == ':') return;
  const auto [field, value] = split_field(line);
  if (field == "data") {
    if (has_data_) current_.data += '\n';
    current_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    current_.event = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) current_.id = value;
  }
}

bool SseParser::mid_event() const {
  return has_data_ || !line_.empty() || !current_.event.empty();
}

std::string sse_frame(std::string_view data, std::string_view id, std::string_view event) {
  SB_ASSERT(data.find_first_of("\r\n") == std::string_view::npos);
  std::string out;
  out.reserve(data.size() + id.size() + event.size() + 24);
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  if (!event.empty()) out.append("event: ").append(event).append("\n");
  return out.append("data: ").append(data).append("\n\n");
}

}  // namespace sb::http
