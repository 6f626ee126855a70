/// Labelled texts from JSON lines, plain or gzip.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/model_data.h"
#include "triage/prices.h"

namespace sb::triage {

struct Example {
  std::string text;
  std::string intent;
  std::string route;  ///< as in the file: "script", "generative", "human", "oos"; empty without the field
};

struct Dataset {
  std::vector<Example> examples;
  std::vector<TrainingFile> files;
};

/// Reads JSON lines {"text", "intent", "route"?} from each of `paths`, gzip or not, in order. Blank lines are skipped.
/// Errors: not_found; invalid_argument (`file:line: ` what is missing); too_large (over 2 M lines or a line over 1
/// MiB).
Result<Dataset> read_dataset(const std::vector<std::string>& paths);

/// The lines of one file, plain or gzip. Errors: as above.
Result<std::vector<std::string>> read_lines(const std::string& path);

/// Who answers which intent, which intents mean the same, and what answers and mistakes cost.
struct RouteMap {
  std::map<std::string, AnswerKind, std::less<>> kinds;
  std::vector<std::vector<std::string>> equivalent;
  Prices prices;
  std::string sha256;

  bool same_intent(std::string_view a, std::string_view b) const;
};

/// {"routes": {intent: "script" | "generative" | "human"}, "equivalent_intents": [[a, b], ...]?, "cost": {...}?
/// (prices.h)}; other members are ignored. Errors: not_found, invalid_argument (names the member).
Result<RouteMap> read_routes(const std::string& path);

/// "script", "generative", "human"; "oos" and "" are none.
std::optional<AnswerKind> answer_kind(std::string_view name);

}  // namespace sb::triage
