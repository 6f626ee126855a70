/// Which tier answers a query: a script, a small model, a large model, or a person. And why.
///
/// Rules first (they are certain), then the classifier (it is calibrated), each with its reason. Configured by one YAML
/// document; README.md shows a complete one. Pure after loading: no I/O, no clock, no state, so decisions replay.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/cascade.h"
#include "triage/classifier.h"

namespace sb::triage {

enum class Route : std::uint8_t { script = 0, small = 1, large = 2, human = 3 };
std::string_view to_string(Route route);
std::optional<Route> route_from(std::string_view name);

/// What is known of a request before anything answered it. Views: valid during the call.
struct RouteQuery {
  std::string_view text;                                 ///< the last user message
  std::span<const std::string_view> finding_types = {};  ///< what the policy found in it, e.g. "iban"
  std::string_view policy_class = {};                    ///< the policy's word for its sensitivity; empty: none
  bool has_tools = false;
  bool has_images = false;
  bool wants_json_schema = false;
  std::size_t prompt_bytes = 0;  ///< of the whole conversation
  std::size_t turns = 1;         ///< user messages in it
};

struct IntentScore {
  std::string intent;
  double probability = 0;
};

/// What a decision rests on, without a word of the text: another router with the same sight can decide from it.
struct RouteBasis {
  std::string sight;  ///< Router::sight() of who looked at the text; empty: not known, nor is anything below
  std::vector<std::string> findings;
  std::string policy_class;
  bool tools = false;
  bool images = false;
  bool json_schema = false;
  std::size_t prompt_bytes = 0;
  std::size_t text_bytes = 0;
  std::size_t turns = 0;
  std::vector<std::string> said;  ///< rules whose phrases and exact texts, where they have some, are in the text
  bool code = false;              ///< it looks like code
  bool maths = false;             ///< or like maths
  std::optional<Seen> seen;       ///< none: a rule decided, or there is no model
};

/// What a candidate that decides beside another router would have done.
struct ShadowDecision {
  std::string trial;      ///< its name
  std::string unknown{};  ///< why it said nothing: late, busy, failed; empty: it has decided
  Route route = Route::large;
  std::string intent{};
  std::string script{};
  double confidence = 0;
  std::string model_version{};
  std::string config_version{};
};

struct RouteDecision {
  Route route = Route::large;
  std::string intent;       ///< likeliest; empty where nobody looked (a rule decided) or nothing was readable
  std::string script;       ///< to run; set if and only if `route` is script
  double confidence = 0;    ///< calibrated probability of `intent`; 1 for a rule
  double threshold = 0;     ///< what the score was held against; 0 for a rule
  double out_of_scope = 0;  ///< probability that no intent fits
  double floor = 0;         ///< what a guard asked of scripts beyond their own threshold; 0: nothing
  std::vector<IntentScore> alternatives;  ///< the next intents, best first
  std::vector<std::string> reasons;       ///< in order, e.g. "rule refunds: phrase"; names rules, never the text
  std::string model_version;              ///< which weights looked; empty if none did
  std::string config_version;             ///< first 16 hex digits of the document's SHA-256
  RouteBasis basis;
  std::string trial{};        ///< the split that the asker is in; empty: none
  bool by_candidate = false;  ///< its candidate has decided; else the router in force has
  std::vector<ShadowDecision> shadows{};
};

/// Why a decision cannot be made again from what it rested on.
enum class Unknown : std::uint8_t {
  not_recorded,   ///< its basis is not known
  other_sight,    ///< this router looks at texts in another way: another classifier, encoder or phrases
  nobody_looked,  ///< a rule decided then and none does now, so nobody asked the classifier
};

/// Immutable and shared: any number of threads may route at once.
class Router {
 public:
  /// Reads the document and its model file (relative to the document's folder).
  /// Errors: invalid_argument (`path:line:column: ` what, and the nearest known name), not_found, corrupt, unsupported.
  static Result<std::shared_ptr<const Router>> load(const std::string& yaml_path);

  /// The same from text, with what it names already loaded (the document's `model` and `verifier` are then not opened);
  /// for tests and replay.
  static Result<std::shared_ptr<const Router>> from_text(std::string_view yaml, const std::string& name,
                                                         std::optional<IntentModel> model,
                                                         std::shared_ptr<const Verifier> verifier = nullptr);

  /// A model alone, as if a document gave every scriptable intent a script of its own name: for judging models.
  static std::shared_ptr<const Router> of_model(IntentModel model);

  RouteDecision route(const RouteQuery& query) const;
  /// The same where the classifier has already looked; null: nobody did, and the rules decide with `large_when`.
  RouteDecision decide(const RouteQuery& query, const Prediction* seen) const;
  /// The same for a text that was looked at before and is not at hand: what `before.basis` tells, and the intent.
  std::expected<RouteDecision, Unknown> decide_again(const RouteDecision& before) const;
  /// The same for a text that another router of the same sight has just looked at: under the floor of this one.
  std::expected<RouteDecision, Unknown> decide_beside(const RouteDecision& other) const;

  /// The thresholds in force for what the classifier said: the document's, else those of the tier that looked.
  Thresholds limits(const Prediction& seen) const;

  /// The same router with another threshold for scripts of the classifier; above 1 it scripts nothing.
  std::shared_ptr<const Router> with_script_threshold(double threshold) const;

  /// The same router as a guard tightens it: where the classifier scripts, it asks for this score at the least; 0: for
  /// its own. Decisions say so, and are made again under it.
  std::shared_ptr<const Router> with_script_floor(double floor) const;

  /// How answers of the small model are looked at before they are given; null: they are not.
  const Cascade* cascade() const;
  /// Every script the document names; the composition root checks that each exists.
  std::vector<std::string> script_names() const;
  const std::optional<IntentModel>& model() const;
  const std::string& version() const;  ///< first 16 hex digits of the document's SHA-256
  /// What a text is looked at with: weights, encoder, phrases; no thresholds. Routers with the same one see the same.
  const std::string& sight() const;

  struct Config;
  explicit Router(std::shared_ptr<const Config> config);

 private:
  std::expected<RouteDecision, Unknown> decide_from(const RouteDecision& before, double floor) const;

  std::shared_ptr<const Config> config_;
};

}  // namespace sb::triage
