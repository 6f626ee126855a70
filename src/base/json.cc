#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace sb {
namespace {

// Length of the valid UTF-8 sequence at `text[at]`, or 0 (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(at);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 0 || at + length > text.size() || !is_valid_utf8(text.substr(at, length))) return 0;
  return length;
}

}  // namespace

Result<json::value> parse_json(std::string_view text, std::size_t depth_max) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error && used == text.size())
    parser.finish(error);
  else if (!error)
    error = json::error::extra_data;
  if (error) return fail(Errc::invalid_argument, fmt::format("invalid JSON at byte {}: {}", used, error.message()));
  return parser.release();
}

std::string to_text(const json::value& value) {
  return json::serialize(value);
}

namespace {

/// The first of eight bytes that does not stand for itself: its high bit is set.
std::uint64_t special_bytes(std::uint64_t eight) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  // A byte is zero where taking one from it borrows; bytes above such a one may be marked too, never below.
  const auto zero = [](std::uint64_t x) { return (x - kOnes) & ~x; };
  const std::uint64_t control = (eight - kOnes * 0x20) & ~eight;
  return (control | zero(eight ^ kOnes * '"') | zero(eight ^ kOnes * '\\') | eight) & kHigh;
}

}  // namespace

std::size_t plain_json_prefix(std::string_view text) {
  static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");
  static constexpr auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
    return plain;
  }();
  std::size_t size = 0;
  for (; size + sizeof(std::uint64_t) <= text.size(); size += sizeof(std::uint64_t)) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + size, sizeof eight);
    if (const auto special = special_bytes(eight))
      return size + static_cast<std::size_t>(std::countr_zero(special)) / 8;
  }
  while (size < text.size() && kPlain[static_cast<unsigned char>(text[size])]) ++size;
  return size;
}

// The one shape RFC 8785 (3.2.2.2) allows, so that the record's canonical JSON is written with it too.
void append_json_escaped(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::optional<bool> valid;  // looked up at the first byte beyond ASCII
  for (;;) {
    const std::size_t plain = plain_json_prefix(text);
    out.append(text, 0, plain);
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto c = static_cast<unsigned char>(text.front());
    std::size_t used = 1;
    if (c == '"' || c == '\\') {
      (out += '\\') += static_cast<char>(c);
    } else if (c == '\b') {
      out += "\\b";
    } else if (c == '\f') {
      out += "\\f";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20) {
      ((out += "\\u00") += kDigits[c >> 4]) += kDigits[c & 15];
    } else {
      if (!valid) valid = is_valid_utf8(text);
      // How far it goes without ASCII is asked of valid text alone, which is taken so far: else each byte would ask
      // again.
      const auto is_ascii = [](char at) { return static_cast<unsigned char>(at) < 0x80; };
      used =
          *valid ? static_cast<std::size_t>(std::ranges::find_if(text, is_ascii) - text.begin()) : utf8_length(text, 0);
      if (used > 0)
        out.append(text, 0, used);
      else
        out += "\xef\xbf\xbd", used = 1;
    }
    text.remove_prefix(used);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

const json::value* find_member(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  return object ? object->if_contains(key) : nullptr;
}

const json::value* at_pointer(const json::value& document, std::string_view pointer) {
  boost::system::error_code error;
  const auto* found = document.find_pointer(pointer, error);
  return error ? nullptr : found;
}

json::array texts(const std::vector<std::string>& lines) {
  json::array array;
  for (const std::string& line : lines) array.emplace_back(line);
  return array;
}

std::string_view string_member(const json::value& value, std::string_view key, std::string_view otherwise) {
  const auto* member = find_member(value, key);
  const auto* text = member ? member->if_string() : nullptr;
  return text ? std::string_view(*text) : otherwise;
}

std::int64_t int_member(const json::value& value, std::string_view key, std::int64_t otherwise) {
  const auto* member = find_member(value, key);
  if (!member || !member->is_number()) return otherwise;
  boost::system::error_code error;
  const auto number = member->to_number<std::int64_t>(error);
  return error ? otherwise : number;
}

bool bool_member(const json::value& value, std::string_view key, bool otherwise) {
  const auto* member = find_member(value, key);
  return member && member->is_bool() ? member->get_bool() : otherwise;
}

void TextEdits::replace(std::size_t offset, std::size_t size, std::string text) {
  edits_.push_back({offset, size, std::move(text)});
}

std::string TextEdits::apply(std::string_view original) const {
  std::ranges::sort(edits_, {}, [](const Edit& edit) { return std::pair(edit.offset, edit.size); });
  std::size_t size = original.size();
  for (const auto& edit : edits_) size += edit.text.size();
  std::string out;
  out.reserve(size);
  std::size_t at = 0;
  for (const auto& edit : edits_) {
    SB_ASSERT(edit.offset >= at && edit.offset + edit.size <= original.size());
    out += original.substr(at, edit.offset - at);
    out += edit.text;
    at = edit.offset + edit.size;
  }
  out += original.substr(at);
  return out;
}

}  // namespace sb
