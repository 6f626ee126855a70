#include "flow/notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "flow/dsl/functions.h"
#include "policy/guards/json_schema.h"

namespace sb::flow {
namespace {

using store::NoteKind;

constexpr std::array<std::string_view, 3> kNoteFunctions{"tag", "annotate", "score"};

std::unexpected<Error> note_misfit(std::string_view argument, std::string_view expected) {
  return fail(Errc::invalid_argument, fmt::format("`{}`: {}", argument, expected), std::string(argument));
}

Result<> check_note(const Function& function, const json::value& said) {
  if (!said.is_object()) return fail(Errc::invalid_argument, "must be a JSON object");
  for (const auto& needed : function.required) {
    if (!find_member(said, needed)) return note_misfit(needed, "is missing");
  }
  for (const auto& [name, value] : said.get_object()) {
    const auto known = std::ranges::find(function.arguments, std::string_view(name), &FunctionArgument::name);
    if (known == function.arguments.end()) return note_misfit(std::string_view(name), "is unknown");
    if (const auto wrong = known->schema->first_fault(value))
      return note_misfit(std::string_view(name), wrong->expected);
  }
  return {};
}

std::string_view score_type_of(const json::value& value) {
  return value.is_string() ? "CATEGORICAL" : value.is_bool() ? "BOOLEAN" : "NUMERIC";
}

/// A score's value as its type has it: a truth may come as 1 or 0, as Langfuse's clients send it.
Result<json::value> typed_score(const json::value& value, std::string_view type) {
  const bool is_number = value.is_number();
  if (type == "BOOLEAN" && is_number) {
    const double number = value.to_number<double>();
    if (number != 0 && number != 1) return note_misfit("value", "a BOOLEAN is true, false, 1 or 0");
    return json::value(number == 1);
  }
  if (type != score_type_of(value)) return note_misfit("value", fmt::format("is no {}", type));
  return value;
}

}  // namespace

std::optional<NoteKind> note_kind(std::string_view function) {
  const auto found = std::ranges::find(kNoteFunctions, function);
  if (found == kNoteFunctions.end()) return std::nullopt;
  return static_cast<NoteKind>(found - kNoteFunctions.begin());
}

std::string_view function_of(NoteKind kind) {
  return kNoteFunctions.at(static_cast<std::size_t>(kind));
}

Result<json::value> read_note(NoteKind kind, const json::value& said, std::string_view source) {
  SB_CHECK(check_note(*our_function(function_of(kind)), said));
  json::object note = said.get_object();
  if (kind != NoteKind::score) return json::value(std::move(note));
  const std::string type(string_member(said, "dataType", score_type_of(note["value"])));
  SB_TRY(note["value"], typed_score(note["value"], type));
  note["dataType"] = type;
  note["source"] = source;
  return json::value(std::move(note));
}

json::object notes_json(std::vector<std::pair<NoteKind, json::object>> notes) {
  std::ranges::sort(notes, {}, [](const std::pair<NoteKind, json::object>& note) {
    const auto* step = note.second.if_contains("step");
    return std::pair(std::string(note.second.at("at").as_string()), step ? step->to_number<std::int64_t>() : 0);
  });
  json::object tags;
  json::array annotations, scores;
  for (auto& [kind, note] : notes) {
    if (kind == NoteKind::tag)
      tags[note.at("name").as_string()] = std::move(note.at("value"));
    else
      (kind == NoteKind::score ? scores : annotations).push_back(std::move(note));
  }
  return {{"tags", std::move(tags)}, {"annotations", std::move(annotations)}, {"scores", std::move(scores)}};
}

}  // namespace sb::flow
