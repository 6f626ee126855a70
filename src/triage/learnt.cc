#include "triage/learnt.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "base/json.h"
#include "triage/sealed_file.h"
#include "triage/vector_math.h"

namespace sb::triage {
namespace {

constexpr FileKind kLearntFile{"SBLEARNT", "what was learnt beside a triage model", 1,
                               "learn it anew with `signalbox triage learn`"};

AnswerKind kind_named(std::string_view name) {
  return name == "human" ? AnswerKind::human : AnswerKind::generative;
}

// Three at most, best first; a learnt label that the model knows too counts once.
void mix_alternatives(const LearntShares& shares, std::span<const Label> learnt, Prediction& out) {
  std::array<Alternative, kAlternatives + kMaxLearnt> all;
  std::size_t count = 0;
  for (const auto& one : out.alternatives) {
    if (!one.intent.empty()) all[count++] = {one.intent, one.probability * shares.left};
  }
  for (std::size_t i = 0; i < learnt.size(); ++i) {
    const auto known = std::find_if(all.begin(), all.begin() + count,
                                    [&](const Alternative& one) { return one.intent == learnt[i].name; });
    if (known != all.begin() + count)
      known->probability += shares.of[i];
    else
      all[count++] = {learnt[i].name, shares.of[i]};
  }
  const auto taken = std::min(count, kAlternatives);
  std::partial_sort(all.begin(), all.begin() + taken, all.begin() + count, [](const auto& a, const auto& b) {
    return std::tie(b.probability, a.intent) < std::tie(a.probability, b.intent);
  });
  out.alternatives = {};
  std::copy_n(all.begin(), taken, out.alternatives.begin());
}

// Who needed a person needs one still: that share does not shrink. The others make up the rest.
void mix_kinds(const LearntShares& shares, std::span<const Label> learnt, Prediction& out) {
  constexpr auto kHuman = static_cast<std::size_t>(AnswerKind::human);
  const double human_before = out.kind_mass[kHuman];
  for (auto& mass : out.kind_mass) mass *= shares.left;
  for (std::size_t i = 0; i < learnt.size(); ++i)
    out.kind_mass[static_cast<std::size_t>(learnt[i].kind)] += shares.of[i];
  const double human = std::max(out.kind_mass[kHuman], human_before);
  const double others = 1 - out.kind_mass[kHuman];
  for (auto& mass : out.kind_mass) mass *= others > 0 ? (1 - human) / others : 0;
  out.kind_mass[kHuman] = human;
}

}  // namespace

LearntShares shares_of(std::span<const float> weights, std::size_t labels,
                       std::initializer_list<std::span<const float>> parts) {
  LearntShares out;
  std::size_t width = 1;
  for (const auto& part : parts) width += part.size();
  SB_ASSERT(labels <= kMaxLearnt && weights.size() == labels * width);
  float largest = 0;  // of the model's: what is learnt is weighed against it
  for (std::size_t label = 0; label < labels; ++label) {
    const float* at = &weights[label * width];
    float logit = at[width - 1];
    for (const auto& part : parts) {
      logit += dot(at, part.data(), part.size());
      at += part.size();
    }
    out.of[label] = logit;
    largest = std::max(largest, logit);
  }
  out.left = std::exp(-largest);
  float total = out.left;
  for (std::size_t label = 0; label < labels; ++label) total += out.of[label] = std::exp(out.of[label] - largest);
  for (std::size_t label = 0; label < labels; ++label) out.of[label] /= total;
  out.left /= total;
  return out;
}

void set_beside(const LearntShares& shares, std::span<const Label> learnt, Prediction& out) {
  const auto before = out.intent;
  mix_alternatives(shares, learnt, out);
  mix_kinds(shares, learnt, out);
  out.intent = out.alternatives.front().intent;
  const auto top = std::ranges::find(learnt, out.intent, &Label::name);
  const double share = top == learnt.end() ? 0 : shares.of[static_cast<std::size_t>(top - learnt.begin())];
  if (out.intent == before) {
    out.confidence = out.confidence * shares.left + share;
    out.script_score *= shares.left;
  } else if (top != learnt.end()) {
    out.kind = top->kind;
    out.confidence = out.alternatives.front().probability;
    out.script_score = 0;
  }
  out.out_of_scope *= 1 - share;
}

std::string encode_learnt(const Learnt& learnt) {
  json::array labels;
  for (std::size_t i = 0; i < learnt.labels.size(); ++i) {
    const auto& label = learnt.labels[i];
    labels.push_back({{"name", label.name}, {"kind", to_string(label.kind)}, {"texts", learnt.texts[i]}});
  }
  const auto header = to_text(json::object{{"base", learnt.base},
                                           {"labels", std::move(labels)},
                                           {"weights", learnt.weights.size()},
                                           {"sentence_weights", learnt.sentence_weights.size()}});
  std::string payload;
  put(payload, static_cast<std::uint32_t>(header.size()));
  payload += header;
  for (const auto* weights : {&learnt.weights, &learnt.sentence_weights})
    payload.append(reinterpret_cast<const char*>(weights->data()), weights->size() * sizeof(float));
  return seal_file(kLearntFile, payload);
}

Result<Learnt> decode_learnt(std::string_view bytes) {
  const auto bad = [](std::string_view what) { return fail(Errc::corrupt, std::string(what)); };
  SB_TRY(auto payload, open_file(kLearntFile, bytes));
  std::uint32_t header_size = 0;
  if (payload.size() < sizeof header_size) return bad("no header");
  std::memcpy(&header_size, payload.data(), sizeof header_size);
  payload.remove_prefix(sizeof header_size);
  if (payload.size() < header_size) return bad("header longer than the file");
  const auto header = parse_json(payload.substr(0, header_size));
  payload.remove_prefix(header_size);
  const auto* labels = header ? find_member(*header, "labels") : nullptr;
  if (!labels || !labels->is_array() || labels->get_array().empty() || labels->get_array().size() > kMaxLearnt)
    return bad("its labels are not as they should be");
  Learnt out;
  out.base = string_member(*header, "base");
  for (const auto& label : labels->get_array()) {
    const auto name = string_member(label, "name");
    if (name.empty()) return bad("a label has no name");
    out.labels.push_back({std::string(name), kind_named(string_member(label, "kind"))});
    out.texts.push_back(static_cast<std::uint32_t>(int_member(label, "texts")));
  }
  const auto sizes = std::array{int_member(*header, "weights"), int_member(*header, "sentence_weights")};
  for (auto* weights : {&out.weights, &out.sentence_weights}) {
    const auto size = static_cast<std::size_t>(sizes[weights == &out.sentence_weights]);
    if (size > payload.size() / sizeof(float) || size % out.labels.size() != 0) return bad("its weights are cut");
    weights->resize(size);
    std::memcpy(weights->data(), payload.data(), size * sizeof(float));
    payload.remove_prefix(size * sizeof(float));
    if (!std::ranges::all_of(*weights, [](float value) { return std::isfinite(value) && std::abs(value) < 1e6F; }))
      return bad("a weight is out of range");
  }
  if (!payload.empty()) return bad("longer than it says");
  return out;
}

}  // namespace sb::triage
