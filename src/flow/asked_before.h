/// When a chat is the same as one before, or a question like one before: what its answer depends on (pure).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/record_writer.h"
#include "flow/answer_cache.h"
#include "flow/sealer.h"
#include "model/catalog.h"
#include "triage/likeness.h"

namespace sb::flow {

/// What shapes an answer beside the request itself.
struct AnswerScope {
  std::string_view tenant;
  std::string_view policy_hash;
  std::string_view flow_hash;
  std::string_view task;
  std::string_view target;
  std::string_view whose{};  ///< of a request with findings: the key and the person; such are never alike
};

/// What `AnswerCache` knows a chat by; nothing: it is too long, or no JSON that has a canonical form.
std::optional<Digest> digest_of(const AnswerScope& scope, std::string_view request);

/// A chat that asks one question of a model, in plain words: nothing but a system prompt before it, no tools, no
/// pictures, nothing that asks for another answer each time or for numbers about this very answer.
struct SingleQuestion {
  std::string text;  ///< what is asked
  std::string rest;  ///< the request without it
};
/// Nothing: it is another kind of chat.
std::optional<SingleQuestion> single_question(std::string_view request);

/// `read`: of `question.text`. Nothing: the rest of the request has no canonical form.
std::optional<Question> question_of(const AnswerScope& scope, const SingleQuestion& question,
                                    triage::ReadQuestion read);

/// What it said. Errors: not_found, corrupt (a key is gone).
Result<std::string> open_answer(const Sealer& sealer, std::string_view tenant, const AnswerCache::Answer& answer);

/// Why an answer was given again, where the question was only alike.
struct LikenessReason {
  double similarity = 0;
  double threshold = 0;
};
RecordJson answer_again_decision(const AnswerCache::Answer& answer, const model::Target& target,
                                 std::optional<LikenessReason> alike);

}  // namespace sb::flow
