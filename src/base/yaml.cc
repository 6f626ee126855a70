#include "base/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <sstream>

#include "base/bytes.h"

namespace sb {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxYamlDepth = 64;

struct YamlFault {
  YAML::Mark mark;
  std::string what;
};

bool is_core_integer(std::string_view text, std::int64_t& value) {
  int base = 10;
  std::string_view digits = text;
  if (digits.starts_with("0x"))
    base = 16, digits.remove_prefix(2);
  else if (digits.starts_with("0o"))
    base = 8, digits.remove_prefix(2);
  else if (digits.starts_with('+'))
    digits.remove_prefix(1);
  if (digits.empty() || (base != 10 && digits.starts_with('-'))) return false;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

bool is_core_float(std::string_view text, double& value) {
  if (text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN")
    return false;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto first = text.starts_with('-') ? 1U : 0U;
  if (text.size() <= first || !((text[first] >= '0' && text[first] <= '9') || text[first] == '.')) return false;
  if (text.find_first_of("0123456789") == std::string_view::npos) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

// YAML 1.2.2, section 10.3.2 "Tag resolution".
json::value resolve_plain(std::string_view text) {
  if (text.empty() || text == "null" || text == "Null" || text == "NULL" || text == "~") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (std::int64_t integer; is_core_integer(text, integer)) return integer;
  if (double number; is_core_float(text, number)) return number;
  return json::string(text);
}

// Builds the value from the parser's events, so that nothing is expanded before it was looked at.
class Builder final : public YAML::EventHandler {
 public:
  YamlDocument document;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, anchor, nullptr, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YamlFault{mark, "aliases are not accepted; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    // yaml-cpp: "?" is an untagged plain scalar, "!" a quoted or block one.
    scalar(mark, anchor, tag == "?" || tag.empty() ? resolve_plain(text) : json::value(json::string(text)), text);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, json::object());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    json::value value;
    std::string pointer;
    std::optional<std::string> key;
  };

  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, json::value value, std::string_view text) {
    refuse_anchor(mark, anchor);
    if (!frames_.empty() && frames_.back().value.is_object() && !frames_.back().key) {
      if (frames_.back().value.get_object().contains(text)) {
        throw YamlFault{mark, fmt::format("key \"{}\" appears twice", text)};
      }
      frames_.back().key = std::string(text);
      document.key_positions[next_pointer()] = {mark.line + 1, mark.column + 1};
      return;
    }
    document.positions[next_pointer()] = {mark.line + 1, mark.column + 1};
    put(std::move(value));
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, json::value value) {
    refuse_anchor(mark, anchor);
    if (frames_.size() >= kMaxYamlDepth) throw YamlFault{mark, fmt::format("nested deeper than {}", kMaxYamlDepth)};
    if (!frames_.empty() && frames_.back().value.is_object() && !frames_.back().key) {
      throw YamlFault{mark, "a key must be a plain word"};
    }
    auto pointer = next_pointer();
    document.positions[pointer] = {mark.line + 1, mark.column + 1};
    frames_.push_back({std::move(value), std::move(pointer), std::nullopt});
  }

  void close() {
    json::value value = std::move(frames_.back().value);
    frames_.pop_back();
    put(std::move(value));
  }

  void put(json::value value) {
    if (frames_.empty()) {
      document.value = std::move(value);
    } else if (auto& top = frames_.back(); top.value.is_array()) {
      top.value.get_array().push_back(std::move(value));
    } else {
      top.value.get_object().emplace(*top.key, std::move(value));
      top.key.reset();
    }
  }

  std::string next_pointer() const {
    if (frames_.empty()) return "";
    const auto& top = frames_.back();
    return pointer_append(top.pointer, top.value.is_array() ? std::to_string(top.value.get_array().size()) : *top.key);
  }

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) throw YamlFault{mark, "anchors are not accepted; write the value out"};
  }

  std::vector<Frame> frames_;
};

std::unexpected<Error> fault(const YAML::Mark& mark, std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("line {}, column {}: {}", mark.line + 1, mark.column + 1, what));
}

}  // namespace

Result<YamlDocument> parse_yaml(std::string_view text) {
  if (text.size() > kMaxBytes) return fail(Errc::too_large, "line 1, column 1: a YAML document has at most 1 MiB");
  if (!is_valid_utf8(text)) {
    std::size_t line = 1;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      if (!is_valid_utf8(text.substr(at, end - at))) break;
      at = end + 1;
      ++line;
    }
    return fail(Errc::invalid_argument,
                fmt::format("line {}, column 1: a YAML document is UTF-8, and this line is not", line));
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    if (!parser.HandleNextDocument(builder))
      return fail(Errc::invalid_argument, "line 1, column 1: the document is empty");
    YamlDocument document = std::move(builder.document);
    if (Builder more; parser.HandleNextDocument(more)) {
      return fail(Errc::invalid_argument, "line 1, column 1: more than one YAML document in one file");
    }
    return document;
  } catch (const YamlFault& e) {
    return fault(e.mark, e.what);
  } catch (const YAML::Exception& e) {
    return fault(e.mark, e.msg);
  }
}

SourcePosition YamlDocument::position_of(std::string_view pointer) const {
  while (true) {
    if (const auto found = positions.find(pointer); found != positions.end()) return found->second;
    const auto slash = pointer.rfind('/');
    if (slash == std::string_view::npos) return {1, 1};
    pointer = pointer.substr(0, slash);
  }
}

std::string pointer_append(std::string_view pointer, std::string_view token) {
  std::string out(pointer);
  out += '/';
  for (const char c : token) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

}  // namespace sb
