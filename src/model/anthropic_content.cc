#include "model/anthropic_content.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace sb::model {
namespace {

std::unexpected<Error> malformed(const std::string& where, std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("{}: {}", where, what), where);
}

std::unexpected<Error> unsupported(const std::string& where, std::string_view what) {
  return fail(Errc::unsupported, fmt::format("{}: {} cannot be sent to an Anthropic model", where, what), where);
}

// Anthropic takes [a-zA-Z0-9_-] in tool ids; other signs become '_', the same way in a call and in its result.
std::string tool_id(std::string_view id) {
  std::string out(id);
  for (char& c : out) {
    const char lower = static_cast<char>(c | 0x20);
    if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) c = '_';
  }
  return out;
}

void keep_cache_control(const json::value& part, json::object& block) {
  if (const auto* control = find_member(part, "cache_control")) block["cache_control"] = *control;
}

struct DataUrl {
  std::string_view media_type;
  std::string_view data;
};

// "data:image/png;base64,iVBOR..." (RFC 2397).
std::optional<DataUrl> parse_data_url(std::string_view url) {
  if (url.size() < 5 || !iequals(url.substr(0, 5), "data:")) return std::nullopt;
  const auto comma = url.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  std::string_view head = url.substr(5, comma - 5);
  constexpr std::string_view kBase64 = ";base64";
  if (!head.ends_with(kBase64)) return std::nullopt;
  head.remove_suffix(kBase64.size());
  return DataUrl{head.substr(0, head.find(';')), url.substr(comma + 1)};
}

Result<json::object> image_block(const json::value& part, const std::string& where) {
  const auto* image = find_member(part, "image_url");
  const std::string_view url = image ? string_member(*image, "url") : std::string_view();
  if (url.empty()) return malformed(where + ".image_url.url", "an image needs a URL");
  json::object block{{"type", "image"}};
  if (const auto data = parse_data_url(url)) {
    block["source"] = {{"type", "base64"}, {"media_type", data->media_type}, {"data", data->data}};
  } else if (url.starts_with("https://") || url.starts_with("http://")) {
    block["source"] = {{"type", "url"}, {"url", url}};
  } else {
    return malformed(where + ".image_url.url", "expected an http(s) or base64 data URL");
  }
  keep_cache_control(part, block);
  return block;
}

Result<json::object> file_block(const json::value& part, const std::string& where) {
  const auto* file = find_member(part, "file");
  const auto data = file ? parse_data_url(string_member(*file, "file_data")) : std::nullopt;
  if (!data || data->media_type != "application/pdf") {
    return unsupported(where + ".file", "a file that is no inline PDF (data:application/pdf;base64,...)");
  }
  json::object block{{"type", "document"},
                     {"source", {{"type", "base64"}, {"media_type", data->media_type}, {"data", data->data}}}};
  if (const auto title = string_member(*file, "filename"); !title.empty()) block["title"] = title;
  keep_cache_control(part, block);
  return block;
}

// Blocks of a message's `content`; empty texts are left out, since Anthropic refuses them.
Result<json::array> content_blocks(const json::value* content, const std::string& where) {
  json::array blocks;
  if (!content || content->is_null()) return blocks;
  if (const auto* text = content->if_string()) {
    if (!text->empty()) blocks.push_back({{"type", "text"}, {"text", *text}});
    return blocks;
  }
  if (!content->is_array()) return malformed(where, "expected a text or a list of parts");
  for (std::size_t i = 0; i < content->get_array().size(); ++i) {
    const auto& part = content->get_array()[i];
    const std::string at = fmt::format("{}[{}]", where, i);
    const std::string_view type = string_member(part, "type");
    if (type == "text" || type == "refusal") {
      const std::string_view text = string_member(part, type);
      if (text.empty()) continue;
      json::object block{{"type", "text"}, {"text", text}};
      keep_cache_control(part, block);
      blocks.push_back(std::move(block));
    } else if (type == "image_url") {
      SB_TRY(json::object block, image_block(part, at));
      blocks.push_back(std::move(block));
    } else if (type == "file") {
      SB_TRY(json::object block, file_block(part, at));
      blocks.push_back(std::move(block));
    } else {
      return unsupported(at, fmt::format("a content part of type \"{}\"", type));
    }
  }
  return blocks;
}

Result<json::object> tool_use_block(const json::value& call, const std::string& where) {
  const auto* function = find_member(call, "function");
  if (!function) return unsupported(where, "a tool call that is no function call");
  const std::string_view arguments = string_member(*function, "arguments");
  json::value input = json::object();
  if (!trim(arguments).empty()) {
    auto parsed = parse_json(arguments);
    if (!parsed || !parsed->is_object())
      return malformed(where + ".function.arguments", "expected a JSON object as text");
    input = *std::move(parsed);
  }
  return json::object{{"type", "tool_use"},
                      {"id", tool_id(string_member(call, "id"))},
                      {"name", string_member(*function, "name")},
                      {"input", std::move(input)}};
}

class TurnBuilder {
 public:
  Result<> add(const json::value& message, const std::string& where) {
    const std::string_view role = string_member(message, "role");
    if (role == "system" || role == "developer") return add_system(message, where);
    if (role == "user") return add_user(message, where);
    if (role == "assistant") return add_assistant(message, where);
    if (role == "tool") return add_tool_result(message, where);
    if (role == "function") return unsupported(where + ".role", "the role \"function\" (use \"tool\")");
    return malformed(where + ".role", "expected system, developer, user, assistant or tool");
  }

  AnthropicTurns finish() {
    trim_last_answer();
    return std::move(turns_);
  }

 private:
  Result<> add_system(const json::value& message, const std::string& where) {
    SB_TRY(json::array blocks, content_blocks(find_member(message, "content"), where + ".content"));
    for (auto& block : blocks) {
      if (string_member(block, "type") != "text")
        return unsupported(where + ".content", "a system message with pictures");
      turns_.system.push_back(std::move(block));
    }
    return {};
  }

  Result<> add_user(const json::value& message, const std::string& where) {
    SB_TRY(json::array blocks, content_blocks(find_member(message, "content"), where + ".content"));
    append("user", std::move(blocks));
    return {};
  }

  Result<> add_assistant(const json::value& message, const std::string& where) {
    if (const auto* audio = find_member(message, "audio"); audio && !audio->is_null()) {
      return unsupported(where + ".audio", "audio");
    }
    SB_TRY(json::array blocks, content_blocks(find_member(message, "content"), where + ".content"));
    if (const auto* calls = find_member(message, "tool_calls"); calls && calls->is_array()) {
      for (std::size_t i = 0; i < calls->get_array().size(); ++i) {
        SB_TRY(json::object block, tool_use_block(calls->get_array()[i], fmt::format("{}.tool_calls[{}]", where, i)));
        blocks.push_back(std::move(block));
      }
    }
    append("assistant", std::move(blocks));
    return {};
  }

  Result<> add_tool_result(const json::value& message, const std::string& where) {
    const std::string_view id = string_member(message, "tool_call_id");
    if (id.empty()) return malformed(where + ".tool_call_id", "a tool's result needs the id of its call");
    SB_TRY(json::array content, content_blocks(find_member(message, "content"), where + ".content"));
    json::object result{{"type", "tool_result"}, {"tool_use_id", tool_id(id)}};
    if (!content.empty()) result["content"] = std::move(content);
    json::array blocks;
    blocks.push_back(std::move(result));
    append("user", std::move(blocks));
    return {};
  }

  void append(std::string_view role, json::array blocks) {
    if (blocks.empty()) return;
    if (!turns_.messages.empty() && string_member(turns_.messages.back(), "role") == role) {
      auto& content = turns_.messages.back().get_object()["content"].get_array();
      for (auto& block : blocks) content.push_back(std::move(block));
      return;
    }
    turns_.messages.push_back({{"role", role}, {"content", std::move(blocks)}});
  }

  // An answer to be continued must not end in blanks: Anthropic refuses it.
  void trim_last_answer() {
    if (turns_.messages.empty() || string_member(turns_.messages.back(), "role") != "assistant") return;
    auto& content = turns_.messages.back().get_object()["content"].get_array();
    auto* text = content.back().get_object().if_contains("text");
    if (!text || !text->is_string()) return;
    std::string_view kept = text->get_string();
    while (!kept.empty() && (kept.back() == ' ' || kept.back() == '\n' || kept.back() == '\t' || kept.back() == '\r')) {
      kept.remove_suffix(1);
    }
    if (kept.empty()) {
      content.pop_back();
      if (content.empty()) turns_.messages.pop_back();
    } else {
      *text = json::string(kept);
    }
  }

  AnthropicTurns turns_;
};

}  // namespace

Result<AnthropicTurns> to_anthropic_turns(const json::value& messages) {
  if (!messages.is_array()) return malformed("messages", "expected a list");
  TurnBuilder builder;
  for (std::size_t i = 0; i < messages.get_array().size(); ++i) {
    SB_CHECK(builder.add(messages.get_array()[i], fmt::format("messages[{}]", i)));
  }
  AnthropicTurns turns = builder.finish();
  if (turns.messages.empty())
    return malformed("messages", "at least one user or assistant message with content is needed");
  return turns;
}

}  // namespace sb::model
