#include "flow/asked_before.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/canonical_json.h"

namespace sb::flow {
namespace {

template <class Range>
bool is_among(std::string_view one, const Range& all) {
  return std::ranges::find(all, one) != std::ranges::end(all);
}

// Long conversations are hardly asked twice, and hashing them is not free.
constexpr std::size_t kMaxRequestBytes = std::size_t{64} << 10;
// Instructions with a document behind them are not questions; the encoder would not read them to their end either.
constexpr std::size_t kMaxQuestionBytes = 500;

// Members of a request for which an answer to a question like it is as good as one of its own. What is not here asks
// for something else: tools, pictures, a form of the answer that this question fills, several answers, the very answer
// of a seed, the probabilities of its words.
constexpr std::array<std::string_view, 10> kPlainMembers{
    "model",  "messages",       "temperature", "top_p", "max_tokens", "max_completion_tokens",
    "stream", "stream_options", "user",        "stop"};

// Above it a caller asks for variety.
constexpr double kMaxTemperature = 1.0;

std::string scope_text(const AnswerScope& scope) {
  std::string all;
  for (const std::string_view part :
       {scope.tenant, scope.policy_hash, scope.flow_hash, scope.task, scope.target, scope.whose}) {
    all += fmt::format("{}:{}\n", part.size(), part);  // lengths: no two lists of parts read alike
  }
  return all;
}

bool is_plain(const json::object& request) {
  const bool known =
      std::ranges::all_of(request, [](const auto& member) { return is_among(member.key(), kPlainMembers); });
  const auto* temperature = request.if_contains("temperature");
  if (!known || !temperature) return known;
  return temperature->is_number() && temperature->to_number<double>() <= kMaxTemperature;
}

// A role and a text, nothing beside.
bool is_text_of(const json::value& message, std::initializer_list<std::string_view> roles) {
  const auto* content = find_member(message, "content");
  return message.is_object() && message.get_object().size() == 2 && content && content->is_string() &&
         is_among(string_member(message, "role"), roles);
}

// An answer further on in a conversation depends on all that was said, and what "it" or "the second one" means is in
// no vector of the last message alone.
bool asks_once(const json::array& messages) {
  return !messages.empty() && is_text_of(messages.back(), {"user"}) &&
         std::all_of(messages.begin(), messages.end() - 1,
                     [](const json::value& message) { return is_text_of(message, {"system", "developer"}); });
}

}  // namespace

std::optional<Digest> digest_of(const AnswerScope& scope, std::string_view request) {
  std::string canonical;
  if (request.size() > kMaxRequestBytes || !append_canonical_text(canonical, request)) return std::nullopt;
  return sha256(scope_text(scope), canonical);
}

std::optional<SingleQuestion> single_question(std::string_view request) {
  auto parsed = parse_json(request);
  if (!parsed || !parsed->is_object() || !is_plain(parsed->get_object())) return std::nullopt;
  auto* messages = parsed->get_object().if_contains("messages");
  if (!messages || !messages->is_array() || !asks_once(messages->get_array())) return std::nullopt;
  auto& content = messages->get_array().back().get_object()["content"];
  if (content.get_string().size() > kMaxQuestionBytes) return std::nullopt;
  SingleQuestion out;
  out.text = content.get_string();
  content = nullptr;
  out.rest = to_text(*parsed);
  return out;
}

std::optional<Question> question_of(const AnswerScope& scope, const SingleQuestion& question,
                                    triage::ReadQuestion read) {
  SB_ASSERT(scope.whose.empty());
  std::string rest;
  if (!append_canonical_text(rest, question.rest)) return std::nullopt;
  return Question{sha256(scope_text(scope) + fmt::format("{}:{}\n", read.kept_words.size(), read.kept_words), rest),
                  std::move(read.meaning)};
}

Result<std::string> open_answer(const Sealer& sealer, std::string_view tenant, const AnswerCache::Answer& answer) {
  SB_TRY(const auto key, sealer.key_of(answer.run, tenant, answer.data_key));
  return Sealer::open(key, answer.run, place::kOutput, answer.output);
}

RecordJson answer_again_decision(const AnswerCache::Answer& answer, const model::Target& target,
                                 std::optional<LikenessReason> alike) {
  RecordWriter out;
  out.begin_object().member("answer_of", RecordText::ours(answer.run.to_string())).key("attempts").begin_array();
  out.end_array().member("cache", alike ? RecordText("semantic") : RecordText("exact"));
  out.member("chosen", RecordText::configured(answer.model)).member("kind", "chat");
  if (alike) out.key("similarity").decimal(alike->similarity, 4);
  out.member("target", RecordText::configured(target.name));
  if (alike) out.key("threshold").decimal(alike->threshold, 4);
  return std::move(out.end_object()).take();
}

}  // namespace sb::flow
