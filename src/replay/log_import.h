/// Logs of other programs as recorded traffic: what was asked of models, by which, for how many tokens.
///
///     litellm    StandardLoggingPayload, one a line, or rows of the table LiteLLM_SpendLogs
///     openai     files of the Batch API, requests and answers together (joined by `custom_id`), or
///                {"request":...,"response":...}
///     langfuse   observations of type GENERATION, as the API or the export to blob storage has them
///
/// JSON lines, a list, or an answer of the API ({"data":[...]}). Their texts stay in memory for the one call that is
/// visited, but for requests of the Batch API, which wait for their answers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/catalog.h"
#include "replay/recorded_run.h"

namespace sb::replay {

enum class LogFormat : std::uint8_t { litellm, openai, langfuse };
/// Errors: invalid_argument (and the nearest that exists).
Result<LogFormat> log_format(std::string_view name);

/// A call that is on a log: no choice of a route was made, somebody named the model.
struct LoggedCall {
  RecordedRun run;
  std::string request;  ///< a chat request
};

struct ImportSums {
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;        ///< of the calls: no answer
  std::uint64_t without_text = 0;  ///< left out: the log does not hold what was asked
  std::uint64_t other = 0;         ///< left out: no chat (embeddings, spans, events)
  std::uint64_t unmatched = 0;     ///< left out: requests of the Batch API without an answer, or answers without one
};

/// A line for each of them that is not none.
std::vector<std::string> notes_of(const ImportSums& sums);

/// `catalog`: deployments of a model that the log names are taken for the one that answered.
/// Errors: not_found, too_large (a line over 16 MiB, a list over 256 MiB), invalid_argument (`FILE:LINE: ` no JSON);
/// those of `visit`.
Result<ImportSums> import_log(LogFormat format, const std::vector<std::string>& files, const model::Catalog& catalog,
                              const std::function<Result<>(const LoggedCall&)>& visit);

}  // namespace sb::replay
