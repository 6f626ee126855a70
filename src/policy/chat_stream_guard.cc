#include "policy/chat_stream_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace sb::policy {
namespace {

// An envelope holds ids and a model's name; what is longer is not repeated.
constexpr std::size_t kMaxEnvelopeBytes = 4096;
// Of the strings beside the texts, so many are remembered, so long: a chunk mostly repeats the one before.
constexpr std::size_t kMaxClean = 8;
constexpr std::size_t kMaxCleanBytes = 64;
constexpr std::string_view kPlainEnvelope = R"({"object":"chat.completion.chunk","choices":[)";

}  // namespace

/// One text of the answer.
struct ChatStreamGuard::Stream {
  Stream(const Policy& policy, GuardContext& context, const ChatPiece& piece)
      : choice(piece.choice), tool(piece.tool), field(piece.field), guard(policy, context) {}

  std::int64_t choice;
  std::int64_t tool;
  std::string field;
  JsonStreamGuard guard;  // an answer or arguments: it finds out whether it is JSON
  bool finished = false;
};

ChatStreamGuard::ChatStreamGuard(const Policy& policy, GuardContext& context) : policy_(policy), context_(context) {}
ChatStreamGuard::~ChatStreamGuard() = default;

std::vector<GuardedFinding> ChatStreamGuard::findings() const {
  std::vector<GuardedFinding> all;
  for (const auto& stream : streams_)
    all.insert(all.end(), stream->guard.findings().begin(), stream->guard.findings().end());
  all.insert(all.end(), beside_.begin(), beside_.end());
  return all;
}

Result<std::vector<std::string>> ChatStreamGuard::feed(std::string_view payload) {
  std::vector<std::string> out;
  if (stopped()) return out;
  const auto done = guard_chunk(payload, out);
  failed_ = !done;
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<std::vector<std::string>> ChatStreamGuard::finish() {
  std::vector<std::string> out;
  if (stopped()) return out;
  const auto done = flush(0, true, out);
  failed_ = !done;
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<> ChatStreamGuard::guard_chunk(std::string_view payload, std::vector<std::string>& out) {
  SB_CHECK(read_chat_chunk(payload, chunk_));
  TextEdits edits;
  SB_CHECK(guard_others(edits));
  if (edits.empty() && chunk_.choices_at > 0 && chunk_.choices_at <= kMaxEnvelopeBytes)
    envelope_ = payload.substr(0, chunk_.choices_at);
  bool all_held = !chunk_.pieces.empty() && chunk_.finished.empty();
  for (const auto& piece : chunk_.pieces) {
    SB_TRY(Stream* const stream, stream_for(piece));
    SB_TRY(std::string released, stream->guard.feed(piece.text));
    if (std::ranges::find(chunk_.finished, piece.choice) != chunk_.finished.end()) {
      SB_TRY(const auto rest, stream->guard.finish());
      released += rest;
      stream->finished = true;
    }
    verdict_ = std::max(verdict_, stream->guard.verdict());
    all_held = all_held && released.empty() && !piece.text.empty();
    if (released == piece.text) continue;
    std::string escaped;
    append_json_escaped(escaped, released);
    edits.replace(piece.offset, piece.size, std::move(escaped));
    for (auto& logprobs : chunk_.logprobs) {
      if (logprobs.choice == piece.choice && logprobs.size > 0) {
        edits.replace(logprobs.offset, std::exchange(logprobs.size, 0), "null");
      }
    }
  }
  for (const auto choice : chunk_.finished) SB_CHECK(flush(choice, false, out));
  if (all_held && chunk_.only_text) return {};
  out.push_back(edits.empty() ? std::string(payload) : edits.apply(payload));
  return {};
}

Result<> ChatStreamGuard::guard_others(TextEdits& edits) {
  clean_.resize(std::min(chunk_.others.size(), kMaxClean));
  for (std::size_t i = 0; i < chunk_.others.size(); ++i) {
    const ChatPiece& other = chunk_.others[i];
    ChatPiece* const before = i < clean_.size() ? &clean_[i] : nullptr;
    if (before && before->field == other.field && before->text == other.text) continue;
    SB_TRY(const Verdict verdict, guard_into(policy_, context_, other.text, other.field, scratch_, beside_));
    verdict_ = std::max(verdict_, verdict);
    if (verdict == Verdict::allow) {
      if (before && other.text.size() <= kMaxCleanBytes) before->field = other.field, before->text = other.text;
      continue;
    }
    std::string escaped;
    append_json_escaped(escaped, scratch_.text);
    edits.replace(other.offset, other.size, std::move(escaped));
  }
  return {};
}

Result<ChatStreamGuard::Stream*> ChatStreamGuard::stream_for(const ChatPiece& piece) {
  for (const auto& stream : streams_) {
    if (!stream->finished && stream->choice == piece.choice && stream->tool == piece.tool &&
        stream->field == piece.field) {
      return stream.get();
    }
  }
  if (streams_.size() >= kMaxStreams)
    return fail(Errc::too_large, fmt::format("an answer of more than {} texts", kMaxStreams));
  return streams_.emplace_back(std::make_unique<Stream>(policy_, context_, piece)).get();
}

Result<> ChatStreamGuard::flush(std::int64_t choice, bool every_choice, std::vector<std::string>& out) {
  for (const auto& stream : streams_) {
    if (stream->finished || (!every_choice && stream->choice != choice)) continue;
    SB_TRY(const auto rest, stream->guard.finish());
    stream->finished = true;
    verdict_ = std::max(verdict_, stream->guard.verdict());
    if (!rest.empty()) out.push_back(own_chunk(*stream, rest));
  }
  return {};
}

std::string ChatStreamGuard::own_chunk(const Stream& stream, std::string_view text) const {
  std::string out(envelope_.empty() ? kPlainEnvelope : std::string_view(envelope_));
  fmt::format_to(std::back_inserter(out), R"({{"index":{},"delta":{{)", stream.choice);
  if (stream.tool == ChatPiece::kNoTool)
    fmt::format_to(std::back_inserter(out), R"("{}":)", stream.field);
  else if (stream.tool == ChatPiece::kLegacyFunction)
    out += R"("function_call":{"arguments":)";
  else
    fmt::format_to(std::back_inserter(out), R"("tool_calls":[{{"index":{},"function":{{"arguments":)", stream.tool);
  append_json_string(out, text);
  if (stream.tool == ChatPiece::kLegacyFunction)
    out += '}';
  else if (stream.tool != ChatPiece::kNoTool)
    out += "}}]";
  out += R"(},"finish_reason":null}]})";
  return out;
}

}  // namespace sb::policy
