/// The triage document, read and checked.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/cascade.h"
#include "triage/classifier.h"
#include "triage/phrases.h"
#include "triage/router.h"

namespace sb::triage {

/// If every condition that is set holds, the rule decides. Lists hold if one of their entries does.
struct Rule {
  std::string name;
  std::vector<std::string> phrases;  ///< normalised; as whole words anywhere in the text
  std::vector<std::string> exact;    ///< normalised; the whole text
  std::vector<std::string> finding_types;
  std::vector<std::string> policy_classes;
  std::optional<bool> tools;
  std::optional<bool> images;
  std::optional<bool> json_schema;
  std::optional<std::size_t> prompt_bytes_over;
  std::optional<std::size_t> turns_over;

  Route route = Route::human;
  std::string script;
};

/// What makes a generative query one for the large model.
struct LargeWhen {
  std::size_t prompt_bytes_over = 6000;
  std::size_t text_bytes_over = 1200;
  std::size_t turns_over = 12;
  bool code = true;
  bool maths = true;
  bool tools = true;
  bool images = true;
  bool json_schema = false;
  bool abstained = false;  ///< the classifier does not know what is asked
  std::vector<std::string> intents;
};

struct Router::Config {
  std::string version;
  std::string sight;
  std::optional<IntentModel> model;
  std::string model_path;
  std::string encoder_path;                ///< tier 1's; empty: tier 0 alone
  std::optional<double> script_threshold;  ///< none: the model's own
  double script_floor = 0;                 ///< a guard's, beside that
  std::optional<double> human_threshold;
  std::optional<double> veto;
  std::map<std::string, std::string, std::less<>> scripts;  ///< intent -> script
  std::vector<Rule> rules;
  PhraseIndex phrases;  ///< of the rules, by their index
  LargeWhen large_when;
  Route otherwise = Route::small;   ///< generative, and nothing of large_when holds
  std::optional<Cascade> cascade;   ///< none: small answers are not looked at
  std::string verifier_path;        ///< its verifier; empty: none
  std::optional<double> gain_over;  ///< none: the verifier's own
};

/// Parses and checks; does not open the model. Errors: invalid_argument, `detail` begins "name:line:column: ".
Result<Router::Config> parse_router_config(std::string_view yaml, const std::string& name);

/// Checks what only the model can tell: intents exist.
Result<> bind_model(std::string_view yaml, const std::string& name, const IntentModel& model,
                    const Router::Config& config);

/// Lower case, words apart by one blank, punctuation dropped; with a blank before and behind, so that whole words are
/// found.
std::string normalise_phrase(std::string_view text);

}  // namespace sb::triage
