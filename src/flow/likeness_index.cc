#include "flow/likeness_index.h"

#include <algorithm>
#include <span>

#include "base/errors.h"

namespace sb::flow {

std::optional<LikenessIndex::Near> LikenessIndex::nearest(const Question& question) const {
  const auto found = scopes_.find(question.scope);
  if (found == scopes_.end()) return std::nullopt;
  const auto& [runs, matrix, squares] = found->second;
  const std::span<const std::int8_t> own(question.meaning), rows(matrix);
  SB_ASSERT(rows.size() == runs.size() * own.size());
  const std::int32_t square = triage::dot(own, own);
  Near best;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto product = triage::dot(own, rows.subspan(i * own.size(), own.size()));
    const float similarity = triage::cosine(product, square, squares[i]);
    if (i == 0 || similarity > best.similarity) best = {runs[i], similarity};
  }
  return best;
}

std::optional<RunId> LikenessIndex::add(Question question, const RunId& run) {
  Scope& scope = scopes_[question.scope];
  SB_ASSERT(scope.matrix.size() == scope.runs.size() * question.meaning.size());
  std::optional<RunId> pushed_out;
  if (scope.runs.size() >= scope_max_) {
    pushed_out = scope.runs.front();
    remove_row(scope, 0);
  }
  scope.runs.push_back(run);
  scope.matrix.insert(scope.matrix.end(), question.meaning.begin(), question.meaning.end());
  scope.squares.push_back(triage::dot(question.meaning, question.meaning));
  return pushed_out;
}

void LikenessIndex::remove(const Digest& scope, const RunId& run) {
  const auto found = scopes_.find(scope);
  SB_ASSERT(found != scopes_.end());
  auto& runs = found->second.runs;
  const auto row = static_cast<std::size_t>(std::ranges::find(runs, run) - runs.begin());
  SB_ASSERT(row < runs.size());
  remove_row(found->second, row);
  if (runs.empty()) scopes_.erase(found);
}

void LikenessIndex::remove_row(Scope& scope, std::size_t row) {
  const auto size = static_cast<std::ptrdiff_t>(scope.matrix.size() / scope.runs.size());
  const auto at = static_cast<std::ptrdiff_t>(row);
  scope.matrix.erase(scope.matrix.begin() + at * size, scope.matrix.begin() + (at + 1) * size);
  scope.runs.erase(scope.runs.begin() + at);
  scope.squares.erase(scope.squares.begin() + at);
}

}  // namespace sb::flow
