// Builtins on strings, and to and from text.
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "jq/builtins.h"

namespace sb::jq {
namespace {

// memmem and not find: linear also for text made to be searched badly.
std::size_t find_text(std::string_view where, std::string_view what, std::size_t from) {
  if (from + what.size() > where.size()) return std::string_view::npos;
  const void* found = memmem(where.data() + from, where.size() - from, what.data(), what.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - where.data()) : std::string_view::npos;
}

Outcome f_tostring(Run&, const Value& in, Arguments, Value& out) {
  return out = json::string(text_of(in)), kDone;
}
Outcome f_tojson(Run&, const Value& in, Arguments, Value& out) {
  return out = json::string(dump(in)), kDone;
}

Outcome f_tonumber(Run&, const Value& in, Arguments, Value& out) {
  if (in.is_number()) return out = in, kDone;
  const auto* text = in.if_string();
  if (!text) return fault_about(in, "cannot be parsed as a number");
  std::string_view rest(*text);
  if (const auto trimmed = sb::trim(rest); trimmed.size() != rest.size())
    return fault_about(in, "cannot be parsed as a number");
  const char* end = rest.data() + rest.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(rest.data(), end, integer); read.ec == std::errc() && read.ptr == end)
    return out = integer, kDone;
  double real = 0;
  const auto first = rest.find_first_not_of('-');
  const bool digits =
      first != std::string_view::npos && ((rest[first] >= '0' && rest[first] <= '9') || rest[first] == '.');
  const auto read = std::from_chars(rest.data(), end, real);
  if (!digits || read.ec == std::errc::invalid_argument || read.ptr != end)
    return fault_about(in, "cannot be parsed as a number");
  if (read.ec == std::errc::result_out_of_range) {
    const auto e = rest.find_first_of("eE");
    const bool tiny = e != std::string_view::npos && rest.substr(e + 1).starts_with('-');
    real = tiny                    ? 0.0
           : rest.starts_with('-') ? -std::numeric_limits<double>::max()
                                   : std::numeric_limits<double>::max();
  }
  return out = number(real), kDone;
}

Outcome f_fromjson(Run&, const Value& in, Arguments, Value& out) {
  const auto* text = in.if_string();
  if (!text) return fault_about(in, "only strings can be parsed");
  if (sb::trim(*text) == "nan") return out = std::numeric_limits<double>::quiet_NaN(), kDone;
  auto parsed = parse_json(*text);
  if (!parsed) return fault_about(in, "cannot be parsed as JSON");
  return out = std::move(*parsed), kDone;
}

Outcome f_startswith(Run&, const Value& in, Arguments a, Value& out) {
  if (!in.is_string() || !a[0].is_string()) return plain("startswith() requires string inputs");
  return out = std::string_view(in.get_string()).starts_with(a[0].get_string()), kDone;
}

Outcome f_endswith(Run&, const Value& in, Arguments a, Value& out) {
  if (!in.is_string() || !a[0].is_string()) return plain("endswith() requires string inputs");
  return out = std::string_view(in.get_string()).ends_with(a[0].get_string()), kDone;
}

Outcome f_ltrimstr(Run&, const Value& in, Arguments a, Value& out) {
  out = in;
  if (!in.is_string() || !a[0].is_string()) return kDone;
  const std::string_view text(in.get_string()), prefix(a[0].get_string());
  if (text.starts_with(prefix)) out = json::string(text.substr(prefix.size()));
  return kDone;
}

Outcome f_rtrimstr(Run&, const Value& in, Arguments a, Value& out) {
  out = in;
  if (!in.is_string() || !a[0].is_string()) return kDone;
  const std::string_view text(in.get_string()), suffix(a[0].get_string());
  if (text.ends_with(suffix)) out = json::string(text.substr(0, text.size() - suffix.size()));
  return kDone;
}

template <bool left, bool right>
Outcome f_trim(Run&, const Value& in, Arguments, Value& out) {
  const auto* text = in.if_string();
  if (!text) return fault_about(in, "cannot be trimmed");
  std::string_view rest(*text);
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  if (left) rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  if (right) rest = rest.substr(0, rest.find_last_not_of(kBlanks) + 1);
  return out = json::string(rest), kDone;
}

Outcome f_split(Run& run, const Value& in, Arguments a, Value& out) {
  if (!in.is_string() || !a[0].is_string()) return plain("split input and separator must be strings");
  const std::string_view text(in.get_string());
  if (!run.charge(static_cast<std::int64_t>(16 * text.size()))) return kDone;
  Value copy = in;
  return apply(Operator::divide, copy, a[0], out);
}

Outcome f_join(Run& run, const Value& in, Arguments a, Value& out) {
  if (!in.is_array()) return plain("Cannot iterate over " + std::string(kind_name(in)));
  if (in.get_array().empty()) return out = json::string(), kDone;
  if (!a[0].is_string()) return fault_about(a[0], "cannot join: the separator is a string");
  std::string joined;
  bool first = true;
  for (const auto& item : in.get_array()) {
    if (item.is_structured()) return fault_about(item, "cannot be joined into a string");
    if (!std::exchange(first, false)) joined += a[0].get_string();
    if (!item.is_null()) joined += text_of(item);
    if (!run.charge(static_cast<std::int64_t>(16 + a[0].get_string().size()))) return kDone;
  }
  return out = json::string(joined), kDone;
}

template <char from, char to>
Outcome f_case(Run&, const Value& in, Arguments, Value& out) {
  const auto* text = in.if_string();
  if (!text) return fault_about(in, "has no letters to change");
  json::string changed = *text;
  for (char& c : changed)
    if (c >= from && c <= from + 25) c = static_cast<char>(c - from + to);
  return out = std::move(changed), kDone;
}

Outcome f_explode(Run& run, const Value& in, Arguments, Value& out) {
  const auto* text = in.if_string();
  if (!text) return fault_about(in, "cannot be exploded");
  json::array codepoints;
  for (std::size_t at = 0; at < text->size();)
    codepoints.push_back(static_cast<std::int64_t>(next_codepoint(*text, at)));
  run.charge(static_cast<std::int64_t>(16 * codepoints.size()));
  return out = std::move(codepoints), kDone;
}

Outcome f_implode(Run&, const Value& in, Arguments, Value& out) {
  const auto* codepoints = in.if_array();
  if (!codepoints) return fault_about(in, "cannot be imploded");
  std::string text;
  for (const auto& codepoint : *codepoints) {
    if (!codepoint.is_number()) return plain("Unicode codepoint must be numeric");
    const double value = to_double(codepoint);
    append_utf8(text, value >= 0 && value <= 0x10ffff ? static_cast<char32_t>(value) : char32_t{0xfffd});
  }
  return out = json::string(text), kDone;
}

Outcome f_indices(Run& run, const Value& in, Arguments a, Value& out) {
  if (in.is_null()) return out = nullptr, kDone;
  if (in.is_string() && a[0].is_string()) {
    const std::string_view text(in.get_string()), wanted(a[0].get_string());
    json::array found;
    if (wanted.empty()) return out = nullptr, kDone;
    for (std::size_t at = find_text(text, wanted, 0); at != std::string_view::npos;
         at = find_text(text, wanted, at + 1)) {
      found.push_back(count_codepoints(text.substr(0, at)));
      if (!run.work(1 + static_cast<std::int64_t>(at / 64))) return kDone;
    }
    return out = std::move(found), kDone;
  }
  if (!in.is_array()) return fault_about(in, "cannot be searched");
  json::array wanted;
  if (a[0].is_array())
    wanted = a[0].get_array();
  else
    wanted.push_back(a[0]);
  if (!run.work(static_cast<std::int64_t>(in.get_array().size() * (1 + wanted.size()) / 4))) return kDone;
  Outcome fault;
  Value scratch;
  const Value* found = jq::index(in, Value(std::move(wanted)), scratch, fault);
  if (!found) return fault;
  return out = *found, kDone;
}

template <bool last>
Outcome f_index(Run& run, const Value& in, Arguments a, Value& out) {
  Value all;
  if (auto fault = f_indices(run, in, a, all)) return fault;
  if (const auto* array = all.if_array(); array && !array->empty()) out = last ? array->back() : array->front();
  return kDone;
}

Outcome f_utf8bytelength(Run&, const Value& in, Arguments, Value& out) {
  const auto* text = in.if_string();
  if (!text) return fault_about(in, "only strings have UTF-8 byte length");
  return out = static_cast<std::int64_t>(text->size()), kDone;
}

Outcome f_format(Run&, const Value& in, Arguments a, Value& out) {
  const auto format = a[0].is_string() ? format_named(a[0].get_string()) : std::nullopt;
  if (!format) return fault_about(a[0], "is not a valid format");
  std::string made;
  auto fault = format_value(*format, in, made);
  out = json::string(made);
  return fault;
}

constexpr Native kTextNatives[] = {
    {"tostring", 0, f_tostring},
    {"tojson", 0, f_tojson},
    {"tonumber", 0, f_tonumber},
    {"fromjson", 0, f_fromjson},
    {"startswith", 1, f_startswith},
    {"endswith", 1, f_endswith},
    {"ltrimstr", 1, f_ltrimstr},
    {"rtrimstr", 1, f_rtrimstr},
    {"trim", 0, f_trim<true, true>},
    {"ltrim", 0, f_trim<true, false>},
    {"rtrim", 0, f_trim<false, true>},
    {"split", 1, f_split},
    {"join", 1, f_join},
    {"ascii_downcase", 0, f_case<'A', 'a'>},
    {"ascii_upcase", 0, f_case<'a', 'A'>},
    {"explode", 0, f_explode},
    {"implode", 0, f_implode},
    {"indices", 1, f_indices},
    {"index", 1, f_index<false>},
    {"rindex", 1, f_index<true>},
    {"utf8bytelength", 0, f_utf8bytelength},
    {"format", 1, f_format},
};

}  // namespace

std::span<const Native> text_natives() {
  return kTextNatives;
}

}  // namespace sb::jq
