/// What a policy asks of whole texts, beside the findings in them: no injected instructions, no banned topic, a length,
/// a language, a shape, and what a service of the operator's own says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "policy/document_reader.h"
#include "policy/guards/checked_text.h"
#include "policy/rule.h"
#include "policy/scanner.h"

namespace sb::policy {

class JsonSchema;

enum class CheckKind : std::uint8_t { injection, topics, length, language, json_schema, http };
std::string_view to_string(CheckKind kind);

/// One entry of a document's `checks`. Immutable.
struct Check {
  std::string name;
  CheckKind kind = CheckKind::length;
  Scope scope;
  bool inbound = true;
  bool outbound = true;
  Action action = Action::block;  ///< allow (recorded only), route_to_local, route_to_human, block

  // injection, topics
  float min_score = 0.9F;                  ///< of the classifier
  std::shared_ptr<const Scanner> phrases;  ///< null: none; a finding's rule is the topic
  // length
  std::size_t max_chars = 0;  ///< code points of all texts together; 0: any
  std::size_t max_texts = 0;  ///< messages; 0: any
  // language
  std::vector<std::string> languages;  ///< ISO 639-1; text in none that we know passes
  // json_schema
  std::shared_ptr<const JsonSchema> schema;  ///< null: the one that the request asks for
  bool repair = false;                       ///< the model may correct itself once
  // http
  std::string url;
  std::int64_t timeout_ms = 1000;

  bool applies(Direction direction) const { return direction == Direction::inbound ? inbound : outbound; }
};

inline constexpr std::size_t kMaxChecks = 16;

/// `checks` of a document. Errors: invalid_argument, with line and column.
Result<std::vector<std::shared_ptr<const Check>>> read_checks(const DocumentReader& reader, const json::object& top);

/// Tells how likely a text tries to steer the model against those who run it. Immutable and thread-safe.
class InjectionScorer {
 public:
  virtual ~InjectionScorer() = default;
  virtual double score(std::string_view text) const = 0;  ///< 0..1
  virtual std::string_view version() const = 0;
};

/// What checks look at.
struct CheckedTexts {
  std::span<const CheckedText> texts;
  const JsonSchema* requested_schema = nullptr;  ///< of the request's response_format
};

/// What one check says of one document.
struct CheckResult {
  const Check* check = nullptr;
  double score = 0;  ///< injection: the classifier's; others: 1 where they object
  bool objects = false;
  std::string label;  ///< topic, language, schema keyword, how asking a service went: never words of text or service
  std::string complaint;  ///< json_schema: what is wrong, for the model that may correct it; http: the service's word
};

/// Which texts a check looks at follows from what it asks. Topics: all. Length: all that comes in, of what goes out the
/// answers; messages are counted but for what stands beside them. All others: what comes from outside, and the answers;
/// an operator's own instructions are instructions, in a language of his own.
///
/// Runs those of `checks` that `which` has (bit n: the n-th) and that need nobody else (all but http). `scorer` may be
/// null: then an injection check that would have asked it objects, because nobody looked. Pure.
std::vector<CheckResult> run_checks(std::span<const std::shared_ptr<const Check>> checks, std::uint64_t which,
                                    Direction direction, const CheckedTexts& texts, const InjectionScorer* scorer);

}  // namespace sb::policy
