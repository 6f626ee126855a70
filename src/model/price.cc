#include "model/price.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/json.h"

namespace sb::model {
namespace {

constexpr std::int64_t kTokensPerPrice = 1'000'000;
constexpr std::int64_t kImageTokens = 765;

// What one byte of UTF-8 adds, in sixtieths of a token. Continuation bytes add nothing: the lead byte tells the script.
constexpr std::uint8_t sixtieths_of(unsigned char byte) {
  if (byte >= 0xf0) return 120;
  if (byte >= 0xe0) return 60;
  if (byte >= 0xc0) return 24;
  if (byte >= 0x80) return 0;
  if (byte >= '0' && byte <= '9') return 20;
  const auto letter = static_cast<unsigned char>(byte | 0x20);
  if ((letter >= 'a' && letter <= 'z') || byte <= ' ') return 15;
  return 30;
}

// A table and not the branches: prompts of kilobytes are counted on the request path.
constexpr auto kSixtieths = [] {
  std::array<std::uint8_t, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) table[byte] = sixtieths_of(static_cast<unsigned char>(byte));
  return table;
}();

void add_content(TokenEstimate& estimate, const json::value& content) {
  if (const auto* text = content.if_string()) return estimate.add(std::string_view(*text));
  const auto* parts = content.if_array();
  if (!parts) return;
  for (const auto& part : *parts) {
    if (string_member(part, "type") == "image_url")
      estimate.add_tokens(kImageTokens);
    else
      estimate.add(string_member(part, "text"));
  }
}

void add_message(TokenEstimate& estimate, const json::value& message) {
  estimate.add_message();
  if (const auto* content = find_member(message, "content")) add_content(estimate, *content);
  const auto* calls = find_member(message, "tool_calls");
  if (!calls || !calls->is_array()) return;
  for (const auto& call : calls->get_array()) {
    const auto* function = find_member(call, "function");
    if (!function) continue;
    estimate.add(string_member(*function, "name"));
    estimate.add(string_member(*function, "arguments"));
  }
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  input_tokens += other.input_tokens;
  cached_input_tokens += other.cached_input_tokens;
  output_tokens += other.output_tokens;
  estimated = estimated || other.estimated;
  return *this;
}

MicroMoney cost_of(const Usage& usage, const Price& price) {
  const std::int64_t input = std::max<std::int64_t>(usage.input_tokens, 0);
  const std::int64_t cached = std::clamp<std::int64_t>(usage.cached_input_tokens, 0, input);
  const std::int64_t output = std::max<std::int64_t>(usage.output_tokens, 0);
  __extension__ using Wide = unsigned __int128;
  const auto product = [](std::int64_t tokens, std::int64_t unit) {
    return static_cast<Wide>(tokens) * static_cast<Wide>(std::max<std::int64_t>(unit, 0));
  };
  const Wide exact =
      product(input - cached, price.input) + product(cached, price.cached_input) + product(output, price.output);
  const Wide rounded = (exact + kTokensPerPrice / 2) / kTokensPerPrice;
  constexpr auto kMax = std::numeric_limits<MicroMoney>::max();
  return rounded > static_cast<Wide>(kMax) ? kMax : static_cast<MicroMoney>(rounded);
}

void TokenEstimate::add(std::string_view utf8) {
  std::int64_t sum = 0;
  for (const char c : utf8) sum += kSixtieths[static_cast<unsigned char>(c)];
  sixtieths_ += sum;
}

std::int64_t estimate_tokens(std::string_view utf8) {
  TokenEstimate estimate;
  estimate.add(utf8);
  return estimate.tokens();
}

std::int64_t estimate_input_tokens(std::string_view request_body) {
  const auto request = parse_json(request_body);
  if (!request) return 0;
  TokenEstimate estimate;
  const auto* messages = find_member(*request, "messages");
  if (messages && messages->is_array()) {
    for (const auto& message : messages->get_array()) add_message(estimate, message);
  }
  if (const auto* tools = find_member(*request, "tools")) estimate.add(to_text(*tools));
  if (const auto* input = find_member(*request, "input")) {  // embeddings
    if (const auto* texts = input->if_array()) {
      for (const auto& text : *texts) add_content(estimate, text);
    } else {
      add_content(estimate, *input);
    }
  }
  return estimate.tokens();
}

}  // namespace sb::model
