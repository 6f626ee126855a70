// What is noted on runs, by their flows and by keys: past the policy, under the run's key.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/record_writer.h"
#include "flow/engine.h"
#include "flow/function_problems.h"
#include "flow/notes.h"
#include "store/patient_read.h"

namespace sb::flow {
namespace {

using store::NoteKind;

constexpr std::string_view kNoPlainTag =
    "a tag stands in lists and reports of costs: it may hold nothing that the policy takes out of texts";

std::string place_of_note(const store::NoteRow& note) {
  return place::note(static_cast<int>(note.kind), note.name);
}

Result<std::vector<std::pair<NoteKind, json::object>>> opened_notes(std::string_view key, const RunId& run,
                                                                    const std::vector<store::NoteRow>& notes) {
  std::vector<std::pair<NoteKind, json::object>> opened;
  for (const auto& note : notes) {
    SB_TRY(const auto text, Sealer::open(key, run, place_of_note(note), note.sealed));
    SB_TRY(auto parsed, parse_json(text));
    if (!parsed.is_object()) return fail(Errc::corrupt, "what is noted on the run is damaged");
    opened.emplace_back(note.kind, std::move(parsed.get_object()));
  }
  return opened;
}

/// Names of tags and scores where the flow's author wrote them out; what a flow computes may be anybody's words.
RecordJson noted(NoteKind kind, const json::value& said, std::string_view written_name) {
  RecordWriter decision(96);
  decision.begin_object().member("chosen", "noted");
  if (kind == NoteKind::score) decision.member("dataType", RecordText::ours(string_member(said, "dataType")));
  decision.member("kind", RecordText::ours(function_of(kind)));
  if (!written_name.empty()) decision.member("name", RecordText::configured(written_name));
  return std::move(decision.end_object()).take();
}

}  // namespace

// The name tells notes of one kind apart without telling what they are; a step's is the same when the step is done
// again after a crash.
store::NoteRow Engine::note_row(const store::RunRow& run, NoteKind kind, const json::value& said,
                                std::string_view apart) const {
  store::NoteRow row;
  row.kind = kind;
  const std::string_view name = string_member(said, "name");
  const bool is_tag = kind == NoteKind::tag;
  row.name = parts_.pseudonyms.note(run.tenant, fmt::format("{}/{}", function_of(kind), is_tag ? name : apart));
  if (is_tag) row.mark = parts_.pseudonyms.tag(run.tenant, name, string_member(said, "value"));
  return row;
}

Task<Result<bool>> Engine::has_room(const LiveRun& run, const store::NoteRow& note) {
  std::set<std::string> names;
  if (run.stored) {
    SB_CO_TRY(const auto stored, co_await store::read_patiently([&] { return parts_.store.notes(run.row.id); }));
    for (const auto& one : stored) {
      if (one.kind == note.kind) names.insert(one.name);
    }
  }
  for (const auto& one : run.notes) {
    if (one.kind == note.kind) names.insert(one.name);
  }
  co_return names.contains(note.name) || names.size() < kMaxNotes.at(static_cast<std::size_t>(note.kind));
}

Task<std::expected<Engine::CallResult, Problem>> Engine::note(LiveRun& run, const Machine::Call& call, NoteKind kind) {
  const auto with = handed(run, call, "/with");
  if (!with) {
    run.error_code = Errc::policy_denied;
    co_return std::unexpected(with.error());
  }
  auto said = read_note(kind, *with, "EVAL");
  if (!said) {
    run.error_code = Errc::invalid_argument;
    co_return std::unexpected(
        standard_problem("validation", 400, "An argument does not fit", said.error().detail, call.task->ref + "/with"));
  }
  if (kind == NoteKind::tag) {
    const auto placeholders = policy::carried_values(run.guard.vault(), to_text(*said));
    if (*with != call.with || !placeholders || !placeholders->empty()) co_return blocked(run, std::string(kNoPlainTag));
  }
  auto row = note_row(run.row, kind, *said, fmt::format("step/{}", call.id));
  const auto room = co_await has_room(run, row);
  if (!room) co_return std::unexpected(problem_of(room.error(), "It could not be noted"));
  if (!*room) {
    run.error_code = Errc::too_large;
    co_return std::unexpected(standard_problem(
        "runtime", 400, "It could not be noted",
        fmt::format("a run has {} of `{}` at most", kMaxNotes.at(static_cast<std::size_t>(kind)), function_of(kind)),
        call.task->ref));
  }
  const auto& written = std::get<CallTask>(call.task->body).with;
  const std::string_view name = string_member(*said, "name");
  CallResult result;
  result.output = call.input;
  result.decision = noted(kind, *said, name == written->literal("name") ? name : std::string_view());
  json::object kept = std::move(said->get_object());
  kept["task"] = call.task->ref;
  kept["step"] = run.next_step;
  kept["at"] = rfc3339(parts_.clock.now_us());
  row.sealed = parts_.sealer.seal(run.data_key, run.row.id, place_of_note(row), to_text(kept));
  std::erase_if(run.notes, [&](const auto& one) { return one.kind == row.kind && one.name == row.name; });
  run.notes.push_back(std::move(row));
  co_return result;
}

Result<Engine::Noting> Engine::noting(const store::RunRow& run, NoteKind kind, const json::value& said,
                                      std::string_view author) const {
  SB_TRY(const auto key, parts_.sealer.key_of(run));
  GuardSession guard(parts_.policy(), {run.tenant, run.key, run.flow, {}, {}, false}, tenant_key(run.tenant),
                     parts_.injection);
  guard.tie_hashes_to(key);
  const std::string text = to_text(said);
  SB_TRY(auto policed, guard.inspect(policy::Direction::inbound, text, policy::JsonProfile::any));
  if (policed.verdict >= policy::Verdict::human)
    return fail(Errc::policy_denied, fmt::format("it may not be kept: {}", policed.reasons()));
  if (kind == NoteKind::tag && policed.content.text() != text)
    return fail(Errc::policy_denied, std::string(kNoPlainTag));
  const auto apart = fmt::format("{}/{}", author, kind == NoteKind::annotation ? text : string_member(said, "name"));
  Noting made{note_row(run, kind, said, apart), {}};
  json::object kept = policed.content.value().get_object();
  kept["author"] = author;
  kept["said"] = parts_.pseudonyms.note(run.tenant, text);
  kept["at"] = rfc3339(parts_.clock.now_us());
  made.row.sealed = parts_.sealer.seal(key, run.id, place_of_note(made.row), to_text(kept));
  if (kind != NoteKind::tag)  // another tag of that name takes its place: nothing could be held against it then
    made.commitment = Sealer::commitment(key, function_of(kind), made.row.sealed);
  return made;
}

Result<bool> Engine::says_the_same(const store::RunRow& run, const store::NoteRow& before,
                                   const json::value& said) const {
  SB_TRY(const auto key, parts_.sealer.key_of(run));
  SB_TRY(const auto opened, opened_notes(key, run.id, {before}));
  const auto* before_it = opened.front().second.if_contains("said");
  return before_it && *before_it == json::value(parts_.pseudonyms.note(run.tenant, to_text(said)));
}

Result<json::object> Engine::open_notes(const store::RunRow& run, const std::vector<store::NoteRow>& notes,
                                        const GuardSession* restorer) const {
  if (run.erased || notes.empty()) return notes_json({});
  SB_TRY(const auto key, parts_.sealer.key_of(run));
  SB_TRY(auto opened, opened_notes(key, run.id, notes));
  for (auto& [kind, note] : opened) {
    note.erase("said");
    // What a step wrote is in the run's placeholders; what a key wrote is in none that the run knows.
    if (!restorer || !note.contains("task")) continue;
    SB_TRY(auto restored, parse_json(restorer->restore(to_text(note))));
    note = std::move(restored.as_object());
  }
  return notes_json(std::move(opened));
}

}  // namespace sb::flow
