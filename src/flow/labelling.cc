// Labels: texts of which somebody says what they ask for, as triage would see them, under their run's key.
#include <fmt/format.h>

#include <map>

#include "base/log.h"
#include "base/record_writer.h"
#include "flow/engine.h"
#include "flow/labels.h"
#include "triage/features.h"
#include "triage/held_out.h"

namespace sb::flow {

triage::AnswerKind kind_of(const store::LabelRow& label) {
  using triage::AnswerKind;
  for (const auto kind : {AnswerKind::script, AnswerKind::human}) {
    if (label.route == static_cast<int>(kind)) return kind;
  }
  return AnswerKind::generative;
}

Result<std::string> open_label(const Sealer& sealer, const store::LabelRow& label) {
  store::RunRow run;
  run.id = label.run;
  run.tenant = label.tenant;
  run.data_key = label.data_key;
  SB_TRY(const auto key, sealer.key_of(run));
  return Sealer::open(key, label.run, place::label(label.id), label.sealed);
}

// Who answers an intent is said by those who label: feedback and reviews name an intent alone.
Task<Result<std::vector<OpenLabel>>> open_labels(store::Store& store, const Sealer& sealer) {
  std::vector<OpenLabel> out;
  std::vector<std::size_t> unsaid;
  std::map<std::string, triage::AnswerKind, std::less<>> said;
  store::LabelFilter filter;
  for (;;) {
    SB_CO_TRY(const auto page, co_await store.labels(filter));
    for (const auto& label : page) {
      auto text = open_label(sealer, label);
      if (!text && text.error().code != Errc::not_found)
        log_warn("triage.label_does_not_open", {{"label", label.id}, {"code", to_string(text.error().code)}});
      if (!text) continue;
      if (label.origin == store::LabelOrigin::given)
        said.insert_or_assign(label.intent, kind_of(label));
      else
        unsaid.push_back(out.size());
      out.push_back({label.id, label.created_us, {*std::move(text), label.intent, kind_of(label)}});
    }
    if (page.size() < filter.limit) break;
    filter.after = {page.back().created_us, page.back().id};
  }
  for (const std::size_t i : unsaid) {
    if (const auto found = said.find(out[i].said.intent); found != said.end()) out[i].said.kind = found->second;
  }
  co_return out;
}

SplitLabels split(std::vector<OpenLabel> labels) {
  SplitLabels out;
  for (auto& label : labels)
    (triage::is_withheld(label.id) ? out.withheld : out.learnt).push_back(std::move(label.said));
  return out;
}

Result<store::LabelRow> Engine::labelling(const store::RunRow& run, std::string_view text,
                                          store::LabelRow label) const {
  if (text.size() > triage::kMaxTextBytes)
    return fail(
        Errc::too_large,
        fmt::format("a labelled text has {} bytes at most: the classifier reads no further", triage::kMaxTextBytes),
        "text");
  SB_TRY(const auto key, parts_.sealer.key_of(run));
  GuardSession guard(parts_.policy(), {run.tenant, run.key, run.flow, {}, {}, false}, tenant_key(run.tenant),
                     parts_.injection);
  guard.tie_hashes_to(key);
  const json::array messages{json::object{{"role", "user"}, {"content", text}}};
  SB_TRY(auto policed, guard.inspect(policy::Direction::inbound, to_text(json::object{{"messages", messages}}),
                                     policy::JsonProfile::chat_request));
  if (policed.verdict >= policy::Verdict::human)
    return fail(Errc::policy_denied, fmt::format("the text may not be kept: {}", policed.reasons()), "text");
  const std::string& seen = guard.last_user_text();
  if (seen.find_first_not_of(" \t\r\n") == std::string::npos)
    return fail(Errc::invalid_argument, "there is nothing to be read in the text", "text");
  label.id = parts_.pseudonyms.label(run.tenant, text);
  label.run = run.id;
  label.tenant = run.tenant;
  label.sealed = parts_.sealer.seal(key, run.id, place::label(label.id), seen);
  return label;
}

Result<std::string> Engine::query_of(store::RunRow run) const {
  if (run.erased) return fail(Errc::not_found, "the run's content was erased", "run");
  SB_CHECK(parts_.sealer.unseal(run));
  auto text = policy::last_user_text(run.input);
  if (text.empty()) return fail(Errc::invalid_argument, "the run is no chat: it has no query to label", "run");
  return text;
}

void Engine::label_by_review(LiveRun& run, const std::string& reviewer, std::string_view intent) {
  store::LabelRow label;
  label.intent = intent;
  label.origin = store::LabelOrigin::review;
  label.author = parts_.pseudonyms.actor(reviewer);
  label.created_us = parts_.clock.now_us();
  auto made = labelling(run.row, policy::last_user_text(run.input.text()), std::move(label));
  if (!made) return;
  RecordWriter summary(160);
  summary.begin_object().member("by", "reviewer").member("intent", RecordText::configured(intent));
  summary.member("label", RecordText::ours(made->id)).member("origin", "review");
  record_leaf(run, "label.add", std::move(summary.end_object()).take());
  run.leaves.back().actor = made->author;
  run.labels.push_back(*std::move(made));
}

}  // namespace sb::flow
