// /api/v1/triage/labels and learn: texts of which people say what they ask for, and triage that has learnt from them.
#include <fmt/format.h>

#include <algorithm>

#include "api/api.h"
#include "api/control.h"
#include "api/legal_holds.h"
#include "base/record_writer.h"
#include "flow/labels.h"
#include "triage/features.h"

namespace sb::api {

/// What a request says of one text.
struct AskedLabel {
  std::string text;  ///< empty: the query of `run`
  std::string run;
  std::string intent;
  triage::AnswerKind kind = triage::AnswerKind::generative;
};

namespace {

constexpr std::size_t kMaxLabelsAtOnce = 1000;
constexpr std::uint64_t kMaxLabels = 10'000;
constexpr std::size_t kMaxIntentBytes = 64;

Error in_label(std::size_t index, Error error) {
  error.detail = fmt::format("labels[{}]: {}", index, error.detail);
  return error;
}

// A label's name gets onto record with each decision that takes it.
bool is_intent_name(std::string_view name) {
  constexpr std::string_view kMadeOf = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/";
  return !name.empty() && name.size() <= kMaxIntentBytes && name.find_first_not_of(kMadeOf) == name.npos;
}

Result<AskedLabel> read_label(const json::value& said) {
  SB_CHECK(only_members(said, {"intent", "route", "run", "text"}));
  for (const char* name : {"intent", "route", "run", "text"}) {
    const auto* member = find_member(said, name);
    if (member && !member->is_string()) return fail(Errc::invalid_argument, fmt::format("`{}` is a text", name), name);
  }
  AskedLabel out{std::string(string_member(said, "text")), std::string(string_member(said, "run")),
                 std::string(string_member(said, "intent"))};
  if (out.text.empty() == out.run.empty())
    return fail(Errc::invalid_argument, "name a `text`, or a `run` whose query it is", "text");
  if (!is_intent_name(out.intent))
    return fail(Errc::invalid_argument,
                fmt::format("`intent` is a name of up to {} letters, digits and _-.:/", kMaxIntentBytes), "intent");
  const auto route = string_member(said, "route", "generative");
  const auto* const kinds = "`route` is script, generative or human";
  if (route == "script")
    out.kind = triage::AnswerKind::script;
  else if (route == "human")
    out.kind = triage::AnswerKind::human;
  else if (route != "generative")
    return fail(Errc::invalid_argument, kinds, "route");
  return out;
}

Result<std::vector<AskedLabel>> read_labels(std::string_view body) {
  const auto parsed = parse_json(body);
  if (!parsed || !parsed->is_object())
    return fail(
        Errc::invalid_argument,
        R"(send {"labels": [{"text": "..." or "run": "...", "intent": "...", "route"?: "..."}]}, or one of them)");
  const auto* list = find_member(*parsed, "labels");
  std::vector<AskedLabel> out;
  if (!list) {
    SB_TRY(out.emplace_back(), read_label(*parsed));
    return out;
  }
  SB_CHECK(only_members(*parsed, {"labels"}));
  if (!list->is_array() || list->get_array().empty() || list->get_array().size() > kMaxLabelsAtOnce)
    return fail(Errc::invalid_argument, fmt::format("`labels` is a list of 1 to {}", kMaxLabelsAtOnce), "labels");
  for (const auto& one : list->get_array()) {
    auto read = read_label(one);
    if (!read) return std::unexpected(in_label(out.size(), read.error()));
    out.push_back(*std::move(read));
  }
  return out;
}

json::object label_json(const store::LabelRow& label) {
  return {{"label", label.id},
          {"run", label.run.to_string()},
          {"tenant", label.tenant},
          {"intent", label.intent},
          {"route", triage::to_string(flow::kind_of(label))},
          {"origin", store::to_string(label.origin)},
          {"author", label.author},
          {"createdAt", time_or_null(label.created_us)}};
}

bool says_the_same(const store::LabelRow& a, const store::LabelRow& b) {
  return a.intent == b.intent && a.route == b.route;
}

}  // namespace

// One triage holds for all tenants, and so does what it is taught.
Result<> Api::may_teach(const Caller& caller) const {
  if (!is_for_all_tenants(caller))
    return fail(
        Errc::permission_denied,
        fmt::format("one triage holds for all tenants: a key of tenant {} may not teach it; ask an admin, or an "
                    "operator of tenant {}",
                    caller.tenant, kOwnTenant));
  if (!parts_.triage) return fail(Errc::not_found, "no triage is configured (triage.file)");
  return {};
}

store::LeafDraft Api::label_leaf(const Caller& caller, const store::LabelRow& label, std::string_view kind) const {
  store::LeafDraft leaf;
  leaf.kind = kind;
  leaf.tenant = label.tenant;
  leaf.run = label.run;
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  leaf.time_us = parts_.clock.now_us();
  RecordWriter summary(160);
  summary.begin_object().member("by", RecordText::ours(to_string(caller.role)));
  const auto router = parts_.engine.router();
  // A name that nobody has put in force yet is a text of the caller's.
  if (router && router->model() && router->model()->find_label(label.intent))
    summary.member("intent", RecordText::configured(label.intent));
  summary.member("label", RecordText::ours(label.id));
  summary.member("origin", RecordText::ours(store::to_string(label.origin)));
  leaf.summary = std::move(summary.end_object()).take().text();
  return leaf;
}

Task<Result<>> Api::add_labels(const Caller& caller, const store::RunRow& row, std::vector<SaidLabel> said,
                               store::Commit& commit, LabelCounts& counts) {
  for (std::size_t i = 0; i < said.size(); ++i) {
    auto& one = said[i];
    store::LabelRow label;
    label.intent = std::move(one.intent);
    label.route = static_cast<int>(one.kind);
    label.origin = one.origin;
    label.author = parts_.pseudonyms.actor(actor_of(caller));
    label.created_us = parts_.clock.now_us();
    auto made = parts_.engine.labelling(row, one.text, std::move(label));
    if (!made) co_return std::unexpected(said.size() > 1 ? in_label(i, made.error()) : made.error());
    store::LabelFilter filter;
    filter.id = made->id;
    SB_CO_TRY(const auto before, co_await parts_.store.labels(std::move(filter)));
    const bool twice = std::ranges::find(commit.labels, made->id, &store::LabelRow::id) != commit.labels.end();
    if (twice || (!before.empty() && says_the_same(before.front(), *made))) {
      ++counts.known;
      continue;
    }
    if (!before.empty() && before.front().run != row.id) {
      SB_CO_CHECK(co_await label_anew(caller, before.front(), one.text, *std::move(made)));
      ++counts.changed;
      continue;
    }
    ++(before.empty() ? counts.added : counts.changed);
    commit.leaves.push_back(label_leaf(caller, *made, "label.add"));
    commit.labels.push_back(*std::move(made));
  }
  commit.run = row.id;
  SB_CO_TRY(const auto stored, co_await parts_.store.count_labels());
  if (counts.added > 0 && stored + counts.added > kMaxLabels)
    co_return fail(
        Errc::conflict,
        fmt::format("{} labels are kept, {} at most: train a model from them, and delete them", stored, kMaxLabels));
  co_return Result<>();
}

// It stays under the key of the run that it has: whose it was it is still, also for an erasure and for a hold.
Task<Result<>> Api::label_anew(const Caller& caller, const store::LabelRow& before, std::string_view text,
                               store::LabelRow label) {
  SB_CO_TRY(const auto owner, co_await parts_.store.load_run(before.run));
  SB_CO_CHECK(co_await check_not_held(owner));
  SB_CO_TRY(auto made, parts_.engine.labelling(owner, text, std::move(label)));
  store::Commit commit;
  commit.run = owner.id;
  commit.leaves.push_back(label_leaf(caller, made, "label.add"));
  commit.labels.push_back(std::move(made));
  co_return co_await parts_.store.commit(std::move(commit));
}

Task<Result<>> Api::check_not_held(const store::RunRow& run) {
  SB_CO_TRY(const auto holds, co_await load_holds(parts_.store));
  if (const auto* hold = hold_on_run(holds, run))
    co_return fail(Errc::conflict, fmt::format("the legal hold {} keeps what the label says", hold->id));
  co_return Result<>();
}

// Labels that came as texts lie under the key of a run of their own, so that they go as everything goes that is
// somebody's.
Task<Result<store::RunRow>> Api::run_of_labels(const http::Exchange& exchange, const Caller& caller,
                                               std::size_t count) {
  SB_CO_TRY(const auto subject, subject_of(exchange.request()));
  SB_CO_TRY(const auto flow, parts_.flows.find("signalbox", "labels"));
  if (!parts_.engine.takes(caller.tenant, *flow)) co_return std::unexpected(flow::Engine::queue_full());
  flow::RunRequest wanted;
  wanted.flow = flow;
  wanted.tenant = caller.tenant;
  wanted.key = caller.key_id;
  wanted.input = fmt::format(R"({{"labels":{}}})", count);
  wanted.request_id = exchange.request().id;
  wanted.subject = subject;
  const auto id = RunId::generate(parts_.clock, parts_.entropy);
  const auto pending = parts_.in_flight.enter(caller.tenant, {}, id, {}).pending;
  auto run = parts_.engine.prepare(std::move(wanted), pending, id);
  if (!run) {
    parts_.in_flight.leave(caller.tenant, {}, pending);
    co_return std::unexpected(run.error());
  }
  (*run)->finish_without_caller = true;
  SB_CO_CHECK(co_await parts_.engine.drive(*run));
  co_return co_await parts_.store.load_run(id);
}

Task<Result<>> Api::store_labels(const Caller& caller, const store::RunRow& row, std::vector<SaidLabel> said,
                                 LabelCounts& counts) {
  store::Commit commit;
  SB_CO_CHECK(co_await add_labels(caller, row, std::move(said), commit, counts));
  if (commit.labels.empty()) co_return Result<>();
  co_return co_await parts_.store.commit(std::move(commit));
}

Task<Result<Api::LabelCounts>> Api::take_labels(const http::Exchange& exchange, const Caller& caller,
                                                std::vector<AskedLabel> asked) {
  LabelCounts counts;
  std::vector<SaidLabel> texts;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    auto& one = asked[i];
    if (one.run.empty()) {
      // What is known already makes no run.
      store::LabelFilter filter;
      filter.id = parts_.pseudonyms.label(caller.tenant, one.text);
      SB_CO_TRY(const auto before, co_await parts_.store.labels(std::move(filter)));
      const bool known =
          !before.empty() && before.front().intent == one.intent && before.front().route == static_cast<int>(one.kind);
      if (known)
        ++counts.known;
      else
        texts.push_back({std::move(one.text), std::move(one.intent), one.kind, store::LabelOrigin::given});
      continue;
    }
    auto row = co_await run_of_caller(caller, one.run);
    auto query = row ? parts_.engine.query_of(*row) : std::unexpected(row.error());
    if (!query) co_return std::unexpected(in_label(i, query.error()));
    std::vector<SaidLabel> said;
    said.push_back({*std::move(query), std::move(one.intent), one.kind, store::LabelOrigin::given});
    if (auto stored = co_await store_labels(caller, *row, std::move(said), counts); !stored)
      co_return std::unexpected(in_label(i, stored.error()));
  }
  if (texts.empty()) co_return counts;
  SB_CO_TRY(const auto row, co_await run_of_labels(exchange, caller, texts.size()));
  SB_CO_CHECK(co_await store_labels(caller, row, std::move(texts), counts));
  co_return counts;
}

Task<void> Api::add_triage_labels(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  if (auto may = may_teach(caller); !may) co_return co_await respond_error(exchange, may.error());
  auto asked = read_labels(exchange.request().body);
  if (!asked) co_return co_await respond_error(exchange, asked.error());
  const auto counts = co_await take_labels(exchange, caller, *std::move(asked));
  if (!counts) co_return co_await respond_error(exchange, counts.error());
  co_await respond_json(
      exchange, counts->added + counts->changed > 0 ? 201 : 200,
      to_text(json::object{{"added", counts->added}, {"changed", counts->changed}, {"known", counts->known}}));
}

Task<void> Api::list_triage_labels(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  if (auto may = may_teach(caller); !may) co_return co_await respond_error(exchange, may.error());
  store::LabelFilter filter;
  filter.tenant = tenant_scope(caller);
  filter.limit = limit_of(exchange.request(), 100);
  if (const auto after = exchange.request().query_param("after")) {
    store::LabelFilter last;
    last.id = *after;
    const auto found = co_await parts_.store.labels(std::move(last));
    if (!found) co_return co_await respond_error(exchange, found.error());
    if (found->empty())
      co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "`after` is a label's id", "after"));
    filter.after = {found->front().created_us, found->front().id};
  }
  const auto rows = co_await parts_.store.labels(filter);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  json::array labels;
  for (const auto& row : *rows) labels.push_back(label_json(row));
  json::object body{{"labels", std::move(labels)}};
  if (rows->size() == filter.limit) body["next"] = rows->back().id;
  co_await respond_json(exchange, 200, to_text(body));
}

Task<Result<store::LabelRow>> Api::label_of(const Caller& caller, std::string id) {
  SB_CO_CHECK(may_teach(caller));
  store::LabelFilter filter;
  filter.tenant = tenant_scope(caller);
  filter.id = std::move(id);
  if (filter.id.empty()) co_return std::unexpected(no_such("label"));
  SB_CO_TRY(auto found, co_await parts_.store.labels(std::move(filter)));
  if (found.empty()) co_return std::unexpected(no_such("label"));
  co_return std::move(found.front());
}

Task<void> Api::get_triage_label(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto label = co_await label_of(caller, captured[0]);
  if (!label) co_return co_await respond_error(exchange, label.error());
  const auto run = co_await parts_.store.load_run(label->run);
  if (!run) co_return co_await respond_error(exchange, run.error());
  auto text = flow::open_label(parts_.engine.sealer(), *label);
  if (!text) co_return co_await respond_error(exchange, text.error());
  auto summary = fmt::format(R"({{"label":"{}","what":"label"}})", label->id);
  if (auto told = co_await record_opening(caller, *run, std::move(summary)); !told)
    co_return co_await respond_error(exchange, told.error());
  auto body = label_json(*label);
  body["text"] = *std::move(text);
  co_await respond_json(exchange, 200, to_text(body));
}

Task<void> Api::delete_triage_label(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto label = co_await label_of(caller, captured[0]);
  if (!label) co_return co_await respond_error(exchange, label.error());
  const auto run = co_await parts_.store.load_run(label->run);
  if (!run) co_return co_await respond_error(exchange, run.error());
  auto pass = co_await parts_.changes.enter();  // no hold is placed meanwhile
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  if (auto free = co_await check_not_held(*run); !free) co_return co_await respond_error(exchange, free.error());
  store::Commit commit;
  commit.drop_labels.push_back(label->id);
  commit.leaves.push_back(label_leaf(caller, *label, "label.delete"));
  if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
    co_return co_await respond_error(exchange, written.error());
  (void)co_await parts_.store.scrub();  // where that fails it is owed
  co_await respond_json(exchange, 200, to_text(json::object{{"label", label->id}, {"deleted", true}}));
}

Task<void> Api::learn_triage(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  if (auto may = may_teach(caller); !may) co_return co_await respond_error(exchange, may.error());
  const auto body = parse_json(trim(exchange.request().body).empty() ? "{}" : exchange.request().body);
  if (!body || !body->is_object())
    co_return co_await respond_error(exchange,
                                     Error(Errc::invalid_argument, R"(send {"held_out"?: bool, "use"?: bool})"));
  if (auto known = only_members(*body, {"held_out", "use"}); !known)
    co_return co_await respond_error(exchange, known.error());
  auto labels = co_await flow::open_labels(parts_.store, parts_.engine.sealer());
  if (!labels) co_return co_await respond_error(exchange, labels.error());
  auto lesson = TriageBook::lesson_of(*std::move(labels), bool_member(*body, "held_out"), actor_of(caller));
  lesson.put_in_force = bool_member(*body, "use", true);
  auto learnt = co_await parts_.triage->learn(std::move(lesson));
  if (!learnt) co_return co_await respond_error(exchange, learnt.error());
  co_await respond_json(exchange, learnt->state == TriageState::pending ? 202 : 200, to_text(version_json(*learnt)));
}

}  // namespace sb::api
