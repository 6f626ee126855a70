/// What flows and people note on a run beside what it did: tags, by which runs are found and costs are told apart,
/// annotations, and scores in Langfuse's words. Pure: what is said, in the form in which it is kept.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"
#include "store/store.h"

namespace sb::flow {

/// Of one run, by kind.
inline constexpr std::array<std::size_t, 3> kMaxNotes{32, 100, 100};

/// Of `tag`, `annotate`, `score`; nothing: another function.
std::optional<store::NoteKind> note_kind(std::string_view function);
std::string_view function_of(store::NoteKind kind);

/// `said`: what the function of that kind takes in `with`. A tag is {name, value}, an annotation {text}, a score {name,
/// value, dataType, comment?, source}. `source`: of a score, in Langfuse's words: API, ANNOTATION or EVAL.
/// Errors: invalid_argument, `param` = the argument.
Result<json::value> read_note(store::NoteKind kind, const json::value& said, std::string_view source);

/// Notes of a run as they are shown: {"tags": {NAME: VALUE}, "annotations": [...], "scores": [...]}, in the order in
/// which they were made.
json::object notes_json(std::vector<std::pair<store::NoteKind, json::object>> notes);

}  // namespace sb::flow
