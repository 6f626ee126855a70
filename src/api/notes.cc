// /api/v1/runs/ID/tags, annotations, scores: what people and applications note on a run, while it goes on and after.
#include "flow/notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/api.h"
#include "api/control.h"
#include "base/bytes.h"
#include "base/record_writer.h"

namespace sb::api {
namespace {

using store::NoteKind;

constexpr std::array<std::string_view, 3> kNoteNouns{"tags", "annotations", "scores"};
constexpr std::array<std::string_view, 3> kNoteLeaves{"run.tag", "run.annotation", "run.score"};

std::string_view leaf_of(NoteKind kind) {
  return kNoteLeaves.at(static_cast<std::size_t>(kind));
}

/// A score of a key's own may say who judged: Langfuse's API (a program) or ANNOTATION (a person).
Result<json::value> note_said(NoteKind kind, std::string_view body) {
  auto parsed = parse_json(body);
  if (!parsed || !parsed->is_object()) return fail(Errc::invalid_argument, "must be a JSON object");
  std::string source = "API";
  if (const auto* said = find_member(*parsed, "source"); said && kind == NoteKind::score) {
    source = string_member(*parsed, "source");
    if (source != "API" && source != "ANNOTATION")
      return fail(Errc::invalid_argument, "`source` is API or ANNOTATION", "source");
    parsed->get_object().erase("source");
  }
  return flow::read_note(kind, *parsed, source);
}

RecordJson note_summary(const store::NoteRow& note, std::string_view role) {
  RecordWriter out(96);
  out.begin_object().member("by", RecordText::ours(role));
  return std::move(out.member("note", RecordText::ours(note.name)).end_object()).take();
}

}  // namespace

Task<void> Api::add_note(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto noun = std::ranges::find(kNoteNouns, split(exchange.request().path, '/').back());
  const auto kind = static_cast<NoteKind>(noun - kNoteNouns.begin());
  const auto said = note_said(kind, exchange.request().body);
  if (!said) co_return co_await respond_error(exchange, said.error());
  auto row = co_await run_of_caller(caller, captured[0]);
  if (!row) co_return co_await respond_error(exchange, row.error());
  // One at a time for a run: what is there is read first.
  const std::string place = "notes/" + row->id.to_string();
  const auto entry =
      parts_.in_flight.enter(row->tenant, place, RunId::generate(parts_.clock, parts_.entropy), std::string());
  if (!entry.owner)
    co_return co_await respond_error(exchange,
                                     Error(Errc::unavailable, "something else is being noted on this run; try again"));
  auto taken = co_await take_note(caller, *row, kind, *said);
  parts_.in_flight.leave(row->tenant, place, entry.pending);
  if (!taken) co_return co_await respond_error(exchange, taken.error());
  co_await respond_json(exchange, *taken ? 201 : 200,
                        to_text(json::object{{"run", row->id.to_string()}, {"recorded", true}}));
}

Task<Result<bool>> Api::take_note(const Caller& caller, const store::RunRow& row, NoteKind kind,
                                  const json::value& said) {
  const std::string author = parts_.pseudonyms.actor(actor_of(caller));
  SB_CO_TRY(auto noting, parts_.engine.noting(row, kind, said, author));
  SB_CO_TRY(const auto notes, co_await parts_.store.notes(row.id));
  const auto before = std::ranges::find_if(
      notes, [&](const store::NoteRow& note) { return note.kind == kind && note.name == noting.row.name; });
  const std::size_t most = flow::kMaxNotes.at(static_cast<std::size_t>(kind));
  if (before != notes.end()) {
    const bool same_tag = kind == NoteKind::tag && before->mark == noting.row.mark;
    SB_CO_TRY(const bool same, same_tag ? Result<bool>(true) : parts_.engine.says_the_same(row, *before, said));
    if (same) co_return false;
    if (kind != NoteKind::tag)
      co_return fail(Errc::already_exists, "this key has said otherwise of the run; what is on record stays");
  } else if (std::ranges::count(notes, kind, &store::NoteRow::kind) >= static_cast<std::ptrdiff_t>(most)) {
    co_return fail(Errc::conflict,
                   fmt::format("a run has {} {} at most", most, kNoteNouns.at(static_cast<std::size_t>(kind))));
  }
  store::Commit commit;
  commit.run = row.id;
  store::LeafDraft leaf;
  leaf.kind = leaf_of(kind);
  leaf.tenant = row.tenant;
  leaf.run = row.id;
  leaf.actor = author;
  leaf.summary = note_summary(noting.row, to_string(caller.role)).text();
  leaf.payload_commit = std::move(noting.commitment);
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  commit.notes.push_back(std::move(noting.row));
  SB_CO_CHECK(co_await parts_.store.commit(std::move(commit)));
  co_return true;
}

// Sets that are of erased runs by now are gone; the money stays.
Task<Result<TagSets>> Api::tags_of(const std::vector<store::CostRow>& rows) {
  TagSets sets;
  for (const auto& row : rows) {
    if (!row.tagged || sets.contains(*row.tagged)) continue;
    SB_CO_TRY(const auto run, co_await parts_.store.load_run(*row.tagged));
    SB_CO_TRY(auto notes, co_await parts_.store.notes(*row.tagged));
    std::erase_if(notes, [](const store::NoteRow& note) { return note.kind != NoteKind::tag; });
    SB_CO_TRY(auto opened, parts_.engine.open_notes(run, notes));
    sets[*row.tagged] = std::move(opened["tags"].as_object());
  }
  co_return sets;
}

}  // namespace sb::api
