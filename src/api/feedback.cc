// /api/v1/runs/ID/feedback: what people make of an answer, once it is there.
#include <fmt/format.h>

#include <algorithm>

#include "api/api.h"
#include "api/control.h"
#include "base/bytes.h"

namespace sb::api {

struct Feedback {
  bool correct = false;
  std::string route;   ///< that was expected; empty: not said
  std::string intent;  ///< likewise
  std::string comment;
};

namespace {

constexpr std::size_t kMaxCommentBytes = 4096;
constexpr std::size_t kMaxAuthors = 32;  // of one run

/// Intents are named in the record: only what the classifier knows may stand there.
bool knows_intent(const triage::Router* router, std::string_view intent) {
  return router && router->model() && router->model()->find_label(intent);
}

Result<Feedback> read_feedback(std::string_view body, const triage::Router* router) {
  const auto parsed = parse_json(body);
  const auto* correct = parsed ? find_member(*parsed, "correct") : nullptr;
  if (!correct || !correct->is_bool())
    return fail(Errc::invalid_argument,
                R"(send {"correct": bool, "expected_route"?: "...", "expected_intent"?: "...", "comment"?: "..."})",
                "correct");
  SB_CHECK(only_members(*parsed, {"comment", "correct", "expected_intent", "expected_route"}));
  for (const char* name : {"comment", "expected_intent", "expected_route"}) {
    const auto* text = find_member(*parsed, name);
    if (text && !text->is_string()) return fail(Errc::invalid_argument, fmt::format("`{}` is a text", name), name);
  }
  Feedback out{correct->get_bool(), std::string(string_member(*parsed, "expected_route")),
               std::string(string_member(*parsed, "expected_intent")), std::string(string_member(*parsed, "comment"))};
  if (!out.route.empty() && !triage::route_from(out.route))
    return fail(Errc::invalid_argument, "expected_route is one of script, small, large, human", "expected_route");
  if (!out.intent.empty() && !knows_intent(router, out.intent))
    return fail(Errc::invalid_argument, "the classifier in force knows no intent of that name", "expected_intent");
  if (out.comment.size() > kMaxCommentBytes)
    return fail(Errc::too_large, fmt::format("a comment has {} bytes at most", kMaxCommentBytes), "comment");
  return out;
}

json::object entry_of(const Feedback& feedback, std::string_view author, std::string_view said, Micros now) {
  json::object entry{{"author", author}, {"correct", feedback.correct}, {"said", said}, {"at", time_or_null(now)}};
  if (!feedback.route.empty()) entry["expected_route"] = feedback.route;
  if (!feedback.intent.empty()) entry["expected_intent"] = feedback.intent;
  return entry;
}

RecordJson summary_of(const Feedback& feedback, std::string_view role, std::string_view route) {
  RecordWriter out(160);
  out.begin_object().member("by", RecordText::ours(role)).member("correct", feedback.correct);
  if (!feedback.intent.empty()) out.member("expected_intent", RecordText::configured(feedback.intent));
  if (!feedback.route.empty()) out.member("expected_route", RecordText::ours(feedback.route));
  if (!route.empty()) out.member("route", RecordText::configured(route));
  return std::move(out.end_object()).take();
}

std::string document_of(const RunId& run) {
  return "feedback/" + run.to_string();
}

Result<json::array> entries_of(const std::optional<std::string>& document) {
  if (!document) return json::array();
  SB_TRY(auto parsed, parse_json(*document));
  if (!parsed.is_array()) return fail(Errc::corrupt, "the feedback on the run is damaged");
  return std::move(parsed.get_array());
}

}  // namespace

// Of an application only its own runs are its own; people see their tenant's.
Task<Result<store::RunRow>> Api::run_of_caller(const Caller& caller, std::string_view id) {
  const auto run = RunId::parse(id);
  if (!run) co_return fail(Errc::invalid_argument, "a run id is a UUID", "id");
  auto row = co_await parts_.store.load_run(*run);
  const bool shown = row && may_see(caller, row->tenant) && (caller.role != Role::client || caller.key_id == row->key);
  if (!shown) co_return std::unexpected(row ? no_such("run") : not_shown(row, "run"));
  if (row->erased) co_return fail(Errc::conflict, "the run's content was erased");
  co_return row;
}

Task<Result<store::RunRow>> Api::run_for_feedback(const Caller& caller, std::string_view id) {
  auto row = co_await run_of_caller(caller, id);
  if (row && !store::is_final(row->status)) co_return fail(Errc::conflict, "the run goes on: there is no answer yet");
  co_return row;
}

Task<void> Api::give_feedback(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto router = parts_.engine.router();
  auto feedback = read_feedback(exchange.request().body, router.get());
  if (!feedback) co_return co_await respond_error(exchange, feedback.error());
  auto row = co_await run_for_feedback(caller, captured[0]);
  if (!row) co_return co_await respond_error(exchange, row.error());
  // One at a time for a run: the document is read, added to and written back.
  const std::string place = document_of(row->id);
  const auto entry =
      parts_.in_flight.enter(row->tenant, place, RunId::generate(parts_.clock, parts_.entropy), std::string());
  if (!entry.owner)
    co_return co_await respond_error(
        exchange, Error(Errc::unavailable, "other feedback on this run is being written; try again"));
  auto taken = co_await take_feedback(caller, *row, *feedback);
  const auto trial = co_await parts_.engine.deciding_trial(row->id);
  parts_.in_flight.leave(row->tenant, place, entry.pending);
  if (!taken) co_return co_await respond_error(exchange, taken.error());
  // Applications speak for callers, of whose number nobody is sure: they do not move what all others get.
  if (*taken && trial)
    parts_.engine.judged(
        {.route = row->route, .wrong = !feedback->correct, .counts = caller.role != Role::client, .trial = *trial});
  co_await respond_json(exchange, *taken ? 201 : 200,
                        to_text(json::object{{"run", row->id.to_string()}, {"recorded", true}}));
}

Task<Result<bool>> Api::take_feedback(const Caller& caller, const store::RunRow& row, const Feedback& feedback) {
  const Micros now = parts_.clock.now_us();
  const std::string author = parts_.pseudonyms.actor(actor_of(caller));
  const std::string said = request_hash(
      caller, "feedback", to_text(json::array{feedback.correct, feedback.route, feedback.intent, feedback.comment}));
  SB_CO_TRY(const auto document, co_await parts_.store.load_document(document_of(row.id)));
  SB_CO_TRY(auto entries, entries_of(document));
  for (const auto& entry : entries) {
    if (string_member(entry, "author") != author) continue;
    if (string_member(entry, "said") == said) co_return false;
    co_return fail(Errc::already_exists, "this key has said otherwise of the run; what is on record stays");
  }
  if (entries.size() >= kMaxAuthors)
    co_return fail(Errc::conflict, fmt::format("{} have said what they make of this run: it is enough", kMaxAuthors));
  json::object entry = entry_of(feedback, author, said, now);
  store::LeafDraft leaf;
  leaf.kind = "run.feedback";
  leaf.tenant = row.tenant;
  leaf.run = row.id;
  leaf.actor = author;
  leaf.summary = summary_of(feedback, to_string(caller.role), row.route).text();
  leaf.time_us = now;
  if (!feedback.comment.empty()) {
    SB_CO_TRY(auto remark, parts_.engine.seal_remark(row, author, feedback.comment));
    entry["comment"] = to_base64(remark.sealed);
    leaf.payload_commit = std::move(remark.commitment);
  }
  entries.push_back(std::move(entry));
  store::Commit commit;
  commit.documents.emplace_back(document_of(row.id), to_text(entries));
  commit.leaves.push_back(std::move(leaf));
  // What all tenants' queries are taken for is said by who may speak for all of them, and by no application.
  if (!feedback.intent.empty() && caller.role != Role::client && is_for_all_tenants(caller))
    co_await label_by_feedback(caller, row, feedback, commit);
  SB_CO_CHECK(co_await parts_.store.commit(std::move(commit)));
  co_return true;
}

// Feedback is taken whether or not its text can be learnt from.
Task<void> Api::label_by_feedback(const Caller& caller, const store::RunRow& row, const Feedback& feedback,
                                  store::Commit& commit) {
  auto query = parts_.engine.query_of(row);
  if (!query) co_return;
  std::vector<SaidLabel> said;
  said.push_back({*std::move(query), feedback.intent, triage::AnswerKind::generative, store::LabelOrigin::feedback});
  store::Commit labels;
  LabelCounts counts;
  if (const auto added = co_await add_labels(caller, row, std::move(said), labels, counts); !added) co_return;
  commit.run = labels.run;
  commit.labels = std::move(labels.labels);
  std::ranges::move(labels.leaves, std::back_inserter(commit.leaves));
}

Task<void> Api::get_feedback(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  auto row = co_await run_for_feedback(caller, captured[0]);
  if (!row) co_return co_await respond_error(exchange, row.error());
  auto document = co_await parts_.store.load_document(document_of(row->id));
  auto entries = document ? entries_of(*document) : std::unexpected(document.error());
  if (!entries) co_return co_await respond_error(exchange, entries.error());
  if (auto told = co_await record_opening(caller, *row, R"({"what":"feedback"})"); !told)
    co_return co_await respond_error(exchange, told.error());
  for (auto& entry : *entries) {
    entry.get_object().erase("said");
    const auto sealed = from_base64(string_member(entry, "comment"));
    if (!sealed || sealed->empty()) continue;
    auto comment = parts_.engine.open_remark(*row, string_member(entry, "author"), *sealed);
    if (!comment) co_return co_await respond_error(exchange, comment.error());
    entry.get_object()["comment"] = *std::move(comment);
  }
  co_await respond_json(exchange, 200,
                        to_text(json::object{{"run", row->id.to_string()}, {"feedback", *std::move(entries)}}));
}

}  // namespace sb::api
