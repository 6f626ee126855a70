#include "policy/chat_stream_restorer.h"

#include <algorithm>

#include "base/json.h"

namespace sb::policy {

ChatStreamRestorer::ChatStreamRestorer(const TokenVault& vault, JsonPieces pieces) : vault_(vault), pieces_(pieces) {}

std::string ChatStreamRestorer::restore(std::string_view payload) {
  if (!read_chat_chunk(payload, chunk_)) return std::string(payload);
  TextEdits edits;
  const auto replace = [&](std::size_t offset, std::size_t size, std::string_view text) {
    std::string escaped;
    append_json_escaped(escaped, text);
    edits.replace(offset, size, std::move(escaped));
  };
  for (const auto& aside : chunk_.asides) {
    if (aside.kind == ChatAside::Kind::number) continue;
    if (const auto text = restore_text(vault_, aside.text); text != aside.text) replace(aside.offset, aside.size, text);
  }
  for (const auto& piece : chunk_.pieces) {
    if (const auto text = restored(piece); text != piece.text) replace(piece.offset, piece.size, text);
  }
  if (edits.empty()) return std::string(payload);
  for (const auto& logprobs : chunk_.logprobs) edits.replace(logprobs.offset, logprobs.size, "null");
  return edits.apply(payload);
}

ChatStreamRestorer::Text& ChatStreamRestorer::text_for(const ChatText& of) {
  const auto known = std::ranges::find_if(texts_, [&](const Text& text) { return text.of == of; });
  return known != texts_.end() ? *known : texts_.emplace_back(of);
}

std::string ChatStreamRestorer::restored(const ChatPiece& piece) {
  auto& reader = text_for(piece.of).reader;
  TextSink unused;
  std::vector<GuardedFinding> none_found;
  const StreamLoan loan{Policy::restore_only(), context_, {}, none_found, unused};
  std::string out;
  std::size_t at = 0;
  const auto pass_to = [&](std::size_t end) {
    const auto text = std::string_view(piece.text).substr(at, end - at);
    (void)reader.feed(loan, text, false);  // it has nothing to find
    unused.text.clear();
    at = end;
    return text;
  };
  Policy::restore_only().scanner(Direction::outbound).scan(piece.text, {}, scan_);
  const bool is_json = pieces_ == JsonPieces::all || piece.of.field == ChatText::Field::arguments;
  for (const auto& finding : scan_.findings) {
    out += pass_to(finding.span.begin);
    int depth = reader.string_depth();
    if (depth == 0 && is_json) depth = 1;
    const auto token = pass_to(finding.span.end);
    const auto* value = vault_.value_of(token);
    if (!value) {
      out += token;
      continue;
    }
    std::string text = *value;
    for (; depth > 0; --depth) {
      std::string escaped;
      append_json_escaped(escaped, text);
      text = std::move(escaped);
    }
    out += text;
  }
  out += pass_to(piece.text.size());
  return out;
}

}  // namespace sb::policy
