#include "policy/chat_stream_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <tuple>

#include "base/json.h"
#include "policy/chat_shape.h"
#include "policy/json_number.h"
#include "policy/logprobs.h"

namespace sb::policy {
namespace {

// An envelope holds ids and a model's name; what is longer is not repeated.
constexpr std::size_t kMaxEnvelopeBytes = 4096;
// Of the strings beside the texts, so many are remembered, so long: a chunk mostly repeats the one before.
constexpr std::size_t kMaxClean = 8;
constexpr std::size_t kMaxCleanBytes = 64;
constexpr std::string_view kPlainEnvelope = R"({"object":"chat.completion.chunk","choices":[)";

// Of a text that is out, so much is remembered: detectors look no further back.
constexpr std::size_t kMaxSaidBytes = kWindowBytes + kLookBackBytes;

struct Frame {
  std::string before;
  std::string_view behind;
};

using Field = ChatText::Field;

// What a function or tool is called with, behind its name.
bool is_called_with(const ChatText& text) {
  return text.field == Field::arguments || text.field == Field::input;
}

// What stands around a text in its choice.
Frame frame_of(const ChatText& text) {
  switch (text.in) {
    case ChatText::In::delta:
      return {fmt::format(R"("delta":{{"{}":)", text.key()), "}"};
    case ChatText::In::audio:
      return {fmt::format(R"("delta":{{"audio":{{"{}":)", text.key()), "}}"};
    case ChatText::In::function_call:
      return {fmt::format(R"("delta":{{"function_call":{{"{}":)", text.key()), "}}"};
    case ChatText::In::tool_call:
      return {fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"function":{{"{}":)", text.index, text.key()),
              "}}]}"};
    case ChatText::In::custom_call:
      return {fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"custom":{{"{}":)", text.index, text.key()), "}}]}"};
    case ChatText::In::reasoning_detail:
      return {fmt::format(R"("delta":{{"reasoning_details":[{{"type":"reasoning.{0}","index":{1},"{0}":)", text.key(),
                          text.index),
              "}]}"};
    case ChatText::In::part:
      return {R"("delta":{"content":[{"type":"text","text":)", "}]}"};
    case ChatText::In::thought:
      if (text.field == Field::thinking) return {R"("delta":{"content":[{"type":"thinking","thinking":)", "}]}"};
      return {R"("delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":)", "}]}]}"};
    case ChatText::In::thinking_block:
      return {fmt::format(R"("delta":{{"thinking_blocks":[{{"type":"thinking","index":{},"thinking":)", text.index),
              "}]}"};
    case ChatText::In::completion:
      return {R"("text":)", ""};
  }
  return {};
}

}  // namespace

/// One text of the answer.
struct ChatStreamGuard::Stream {
  explicit Stream(const ChatText& which) : text(which), is_program_name(is_name()) {}

  bool is_name() const { return text.field == Field::name; }
  std::string_view said() const { return out ? std::string_view(*out) : std::string_view(); }
  void say(std::string_view bytes) {
    if (!out) out = std::make_unique<std::string>();
    const auto last = bytes.substr(bytes.size() - std::min(bytes.size(), kMaxSaidBytes));
    const std::size_t size = out->size() + last.size();
    out->erase(0, size - std::min(size, kMaxSaidBytes)).append(last);
  }

  ChatText text;
  JsonStream guard{};  // an answer or arguments: it finds out whether it is JSON
  std::vector<GuardedFinding> findings{};
  std::unique_ptr<std::string> out{};  // its end: of a name; of another text once it is finished
  bool level = true;                   // the last chunk's piece went out as it came, and nothing was or is held back
  bool finished = false;
  bool is_program_name;  // as far as it has come: a function's, in which nobody is named
};

ChatStreamGuard::Clean::Clean(const ChatAside& aside)
    : kind(aside.kind), key_size(static_cast<std::uint32_t>(aside.key.size())), key_and_text(aside.key + aside.text) {}

bool ChatStreamGuard::Clean::is(const ChatAside& aside) const {
  const std::string_view both = key_and_text;
  return kind == aside.kind && both.substr(0, key_size) == aside.key && both.substr(key_size) == aside.text;
}

/// What a chunk is worked with.
struct ChatStreamGuard::Work {
  /// This thread's: chunks are looked at one after the other.
  static Work& of_thread() {
    thread_local Work work;
    work.scratch.scan.names.known.clear();  // of another answer
    return work;
  }

  ChatChunk chunk;
  /// Of the chunk's pieces: names, and what follows a name, in order.
  std::vector<std::tuple<std::int64_t, ChatText::In, std::int64_t, Field>> calls_now;
  std::vector<bool> is_last;  // by piece: its text ends with it
  GuardScratch scratch;
};

ChatStreamGuard::ChatStreamGuard(const Policy& policy, GuardContext& context) : policy_(policy), context_(context) {}
ChatStreamGuard::~ChatStreamGuard() = default;

std::vector<GuardedFinding> ChatStreamGuard::findings() const {
  std::vector<GuardedFinding> all;
  for (const auto& stream : streams_) all.insert(all.end(), stream.findings.begin(), stream.findings.end());
  all.insert(all.end(), beside_.begin(), beside_.end());
  return all;
}

Result<std::vector<std::string>> ChatStreamGuard::feed(std::string_view payload) {
  std::vector<std::string> out;
  if (stopped()) return out;
  work_ = &Work::of_thread();
  const auto done = guard_chunk(payload, out);
  failed_ = !done;
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<std::vector<std::string>> ChatStreamGuard::finish() {
  std::vector<std::string> out;
  if (stopped()) return out;
  work_ = &Work::of_thread();
  const auto done = flush(0, true, out);
  failed_ = !done;
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<> ChatStreamGuard::guard_chunk(std::string_view payload, std::vector<std::string>& out) {
  SB_CHECK(read_chat_chunk(payload, work_->chunk));
  work_->calls_now.clear();
  for (const auto& [of, text, offset, size] : work_->chunk.pieces) {
    if (of.field == Field::name || is_called_with(of))
      work_->calls_now.emplace_back(of.choice, of.in, of.index, of.field);
  }
  std::ranges::sort(work_->calls_now);
  note_last_pieces();
  TextEdits edits;
  SB_CHECK(guard_asides(edits));
  if (edits.empty() && work_->chunk.choices_at > 0 && work_->chunk.choices_at <= kMaxEnvelopeBytes)
    envelope_ = payload.substr(0, work_->chunk.choices_at);
  bool all_held = !work_->chunk.pieces.empty() && work_->chunk.finished.empty();
  for (std::size_t i = 0; i < work_->chunk.pieces.size(); ++i) {
    const ChatPiece& piece = work_->chunk.pieces[i];
    SB_TRY(const std::string released, guard_piece(piece, work_->is_last[i], out));
    all_held = all_held && released.empty() && !piece.text.empty();
    if (released == piece.text) continue;
    std::string escaped;
    append_json_escaped(escaped, released);
    edits.replace(piece.offset, piece.size, std::move(escaped));
  }
  for (const auto& logprobs : work_->chunk.logprobs) {
    SB_TRY(const bool keep, repeats_the_texts(payload.substr(logprobs.offset, logprobs.size), logprobs.choice));
    if (!keep) edits.replace(logprobs.offset, logprobs.size, "null");
  }
  for (const auto choice : work_->chunk.finished) SB_CHECK(flush(choice, false, out));
  if (all_held && work_->chunk.only_text) return {};
  out.push_back(edits.empty() ? std::string(payload) : edits.apply(payload));
  return {};
}

// Of each text the piece behind which it ends where its choice does: the last one.
void ChatStreamGuard::note_last_pieces() {
  work_->is_last.assign(work_->chunk.pieces.size(), false);
  if (work_->chunk.finished.empty()) return;
  const auto key = [this](std::size_t i) {
    const ChatText& of = work_->chunk.pieces[i].of;
    return std::tuple(of.choice, of.in, of.index, of.field);
  };
  std::vector<std::size_t> order(work_->chunk.pieces.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, key);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool last = i + 1 == order.size() || key(order[i]) != key(order[i + 1]);
    work_->is_last[order[i]] =
        last && std::ranges::find(work_->chunk.finished, std::get<0>(key(order[i]))) != work_->chunk.finished.end();
  }
}

Result<std::string> ChatStreamGuard::guard_piece(const ChatPiece& piece, bool is_last, std::vector<std::string>& out) {
  if (is_called_with(piece.of)) SB_CHECK(end_name(piece.of, out));
  SB_TRY(Stream* const stream, stream_for(piece.of));
  if (stream->finished) return guard_late(*stream, piece.text);
  const bool was_level = stream->guard.held_bytes() == 0;
  stream->is_program_name = stream->is_program_name && (piece.text.empty() || is_program_name(piece.text));
  SB_TRY(std::string released, feed(*stream, piece.text, false));
  stream->level = was_level && stream->guard.held_bytes() == 0 && released == piece.text;
  if (stream->is_name()) stream->say(released);
  if (is_last || (stream->is_name() && (comes_now(piece.of, Field::arguments) || comes_now(piece.of, Field::input)))) {
    SB_TRY(const auto rest, finish(*stream));
    released += rest;
    stream->level = was_level && released == piece.text;
  }
  return released;
}

bool ChatStreamGuard::comes_now(const ChatText& beside, ChatText::Field field) const {
  return std::ranges::binary_search(work_->calls_now, std::tuple(beside.choice, beside.in, beside.index, field));
}

// A name ends where its arguments begin: beside it, which is seen to there, or in a chunk of their own.
Result<> ChatStreamGuard::end_name(const ChatText& arguments, std::vector<std::string>& out) {
  if (comes_now(arguments, Field::name)) return {};
  ChatText name = arguments;
  name.field = Field::name;
  Stream* const stream = find(name);
  if (!stream || stream->finished) return {};
  SB_TRY(const auto rest, finish(*stream));
  if (!rest.empty()) out.push_back(own_chunk(name, rest));
  return {};
}

// The text is out. What follows passes where both together say nothing, or as far as what is found lies in it alone.
Result<std::string> ChatStreamGuard::guard_late(Stream& stream, std::string_view text) {
  const std::string both = std::string(stream.said()).append(text);
  const bool restores = std::exchange(context_.restore, false);  // what is out would be changed by it
  const auto judged = guard_into(policy_, context_, both, {}, work_->scratch, beside_, stream.said().size());
  context_.restore = restores;
  if (!judged) return std::unexpected(judged.error());
  verdict_ = std::max(verdict_, *judged);
  std::string released(text);
  if (*judged != Verdict::allow) released = stream.is_name() ? std::string() : work_->scratch.text;
  stream.level = released == text;
  stream.say(released);
  return released;
}

Result<> ChatStreamGuard::guard_asides(TextEdits& edits) {
  const std::size_t count = std::min(work_->chunk.asides.size(), kMaxClean);
  if (count > 0 && !clean_) clean_ = std::make_unique<std::vector<Clean>>();
  if (clean_) clean_->resize(count);
  std::string digits;
  std::uint32_t masked_names = 0;  // that may be alike now, in one object or not
  for (std::size_t i = 0; i < work_->chunk.asides.size(); ++i) {
    const ChatAside& aside = work_->chunk.asides[i];
    Clean* const before = i < count ? &(*clean_)[i] : nullptr;
    if (before && before->is(aside)) continue;
    const bool is_number = aside.kind == ChatAside::Kind::number;
    const auto text = is_number ? identifying_digits(aside.text, digits) : std::string_view(aside.text);
    if (text.empty()) continue;
    const std::size_t found = beside_.size();
    SB_TRY(const Verdict verdict, guard_into(policy_, context_, text, aside.key, work_->scratch, beside_));
    verdict_ = std::max(verdict_, verdict);
    if (verdict == Verdict::allow) {
      if (before && aside.text.size() <= kMaxCleanBytes) *before = Clean(aside);
      continue;
    }
    const bool is_name = aside.kind == ChatAside::Kind::name;
    std::string escaped;
    if (is_number)
      append_json_string(escaped, work_->scratch.text);
    else
      append_json_escaped(escaped, work_->scratch.text);
    if (is_name && may_be_alike(std::span(beside_).subspan(found)) && ++masked_names > 1)
      escaped += fmt::format("_{}", masked_names);
    edits.replace(aside.offset, aside.size, std::move(escaped));
  }
  return {};
}

Result<bool> ChatStreamGuard::is_clean(std::string_view text) {
  std::vector<GuardedFinding> unused;  // what is dropped whole needs no record
  SB_TRY(const Verdict verdict, guard_into(policy_, context_, text, {}, work_->scratch, unused));
  return verdict == Verdict::allow;
}

Result<bool> ChatStreamGuard::repeats_the_texts(std::string_view logprobs, std::int64_t choice) {
  std::string said;
  for (const auto& piece : work_->chunk.pieces) {
    if (piece.of.choice != choice) continue;
    if (std::ranges::any_of(streams_, [&](const auto& one) { return one.text == piece.of && !one.level; }))
      return false;
    if (piece.of.is_said()) said += piece.text;
  }
  SB_TRY(const auto spelt, spell_logprobs(logprobs));
  if (spelt.tokens != said) return false;
  return is_clean(spelt.beside);
}

ChatStreamGuard::Stream* ChatStreamGuard::find(const ChatText& text) {
  const auto found = std::ranges::find(streams_, text, &Stream::text);
  return found == streams_.end() ? nullptr : &*found;
}

Result<ChatStreamGuard::Stream*> ChatStreamGuard::stream_for(const ChatText& text) {
  std::size_t count = 0;
  auto last = streams_.before_begin();
  for (auto next = streams_.begin(); next != streams_.end(); last = next++, ++count) {
    if (next->text == text) return &*next;
  }
  if (count >= kMaxStreams) return fail(Errc::too_large, fmt::format("an answer of more than {} texts", kMaxStreams));
  return &*streams_.emplace_after(last, text);
}

Result<std::string> ChatStreamGuard::feed(Stream& stream, std::string_view piece, bool complete) {
  TextSink out;
  const StreamLoan loan{policy_, context_, stream.text.key(), stream.findings, out};
  context_.prose = !stream.is_program_name;
  const auto fed = stream.guard.feed(loan, piece, complete);
  context_.prose = true;
  if (!fed) return std::unexpected(fed.error());
  verdict_ = std::max(verdict_, stream.guard.verdict());
  return std::move(out.text);
}

// The rest of a text.
Result<std::string> ChatStreamGuard::finish(Stream& stream) {
  if (!stream.is_name()) stream.say(stream.guard.ending());
  SB_TRY(auto rest, feed(stream, {}, true));
  stream.say(rest);
  stream.guard = JsonStream();
  stream.finished = true;
  return rest;
}

Result<> ChatStreamGuard::flush(std::int64_t choice, bool every_choice, std::vector<std::string>& out) {
  for (auto& stream : streams_) {
    if (stream.finished || (!every_choice && stream.text.choice != choice)) continue;
    SB_TRY(const auto rest, finish(stream));
    if (!rest.empty()) out.push_back(own_chunk(stream.text, rest));
  }
  return {};
}

std::string ChatStreamGuard::own_chunk(const ChatText& text, std::string_view bytes) const {
  const Frame frame = frame_of(text);
  std::string out(envelope_.empty() ? kPlainEnvelope : std::string_view(envelope_));
  fmt::format_to(std::back_inserter(out), R"({{"index":{},{})", text.choice, frame.before);
  append_json_string(out, bytes);
  fmt::format_to(std::back_inserter(out), R"({},"finish_reason":null}}]}})", frame.behind);
  return out;
}

}  // namespace sb::policy
