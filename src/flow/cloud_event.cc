#include "flow/cloud_event.h"

namespace sb::flow {

Result<json::value> event_of_parts(json::object attributes, std::string_view content_type, std::string_view body) {
  json::object event = std::move(attributes);
  if (!content_type.empty()) event["datacontenttype"] = content_type;
  if (body.empty()) return event;
  if (content_type.starts_with("application/json") || content_type.find("+json") != std::string_view::npos) {
    SB_TRY(event["data"], parse_json(body));
  } else {
    event["data"] = body;
  }
  return event;
}

}  // namespace sb::flow
