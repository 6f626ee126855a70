#include "triage/sight.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "triage/learnt.h"

namespace sb::triage {
namespace {

// Another number where the program itself looks at texts in another way: features, normalising, signs of code and
// maths.
constexpr int kVersion = 1;

std::string weights_of(const IntentModel& model) {
  ModelData data = model.data();
  data.thresholds = {};
  data.origin.reset();
  data.provenance = {};
  for (auto* heads : {&data.early, &data.sentence}) {
    if (!*heads) continue;
    (*heads)->thresholds = {};
    (*heads)->origin.reset();
  }
  const auto learnt = model.learnt() ? encode_learnt(*model.learnt()) : std::string();
  return to_hex(sha256(encode_model(data), learnt));
}

}  // namespace

std::string sight_of(const Router::Config& config) {
  std::vector<std::string> words;
  for (const auto& rule : config.rules) {
    if (rule.phrases.empty() && rule.exact.empty()) continue;
    words.push_back(fmt::format("{}\n{}\n{}", rule.name, rule.phrases, rule.exact));
  }
  std::ranges::sort(words);
  const bool two_tiers = config.model && config.model->has_encoder();
  const auto weights = config.model ? weights_of(*config.model) : std::string();
  const auto all = fmt::format("{}\n{}\n{}\n{}", kVersion, weights, two_tiers, words);
  return to_hex(sha256(all)).substr(0, 16);
}

}  // namespace sb::triage
