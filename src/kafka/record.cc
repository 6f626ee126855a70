#include "kafka/record.h"

#include <fmt/format.h>

#include "flow/cloud_event.h"

namespace sb::kafka {

Result<std::string_view> Record::header(std::string_view name) const {
  const std::string* found = nullptr;
  for (const auto& [key, content] : headers) {
    if (key != name) continue;
    if (found)
      return fail(Errc::invalid_argument, fmt::format("the header {} is there twice", name), std::string(name));
    found = &content;
  }
  return found ? std::string_view(*found) : std::string_view();
}

Result<json::value> read_event(const Record& record) {
  constexpr std::string_view kPrefix = "ce_";
  SB_TRY(const auto id, record.header("ce_id"));
  if (id.empty()) return parse_json(record.value);
  json::object attributes;
  for (const auto& [name, content] : record.headers) {
    if (name.starts_with(kPrefix)) attributes[name.substr(kPrefix.size())] = content;
  }
  SB_TRY(const auto type, record.header("content-type"));
  return flow::event_of_parts(std::move(attributes), type, record.value);
}

}  // namespace sb::kafka
