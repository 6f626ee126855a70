/// Finds names, organisations, places and addresses in running text.
#pragma once

#include <array>
#include <vector>

#include "policy/detect/fold.h"
#include "policy/finding.h"
#include "policy/tagger/model.h"
#include "policy/tagger/sight.h"

namespace sb::policy::tagger {

/// A run of tokens of one kind. Where a run is longer than can be seen at once, and at each of its later words, spans
/// begin as well: whoever takes the leftmost of those that overlap has the whole run, in one piece or more.
struct TaggedSpan {
  Span span;
  Label label = Label::none;
  float score = 0;     ///< probability that it is what it says, calibrated
  bool faint = false;  ///< its first token alone is too unlikely for a finding: only for who knows more of it
};

/// A text of which more may come.
struct TagInput {
  std::string_view text;       ///< what came before `from` is context
  std::size_t from = 0;        ///< spans that begin earlier are not wanted
  bool complete = true;        ///< nothing follows
  std::string_view label;      ///< the key that the text stands under
  const Fold* fold = nullptr;  ///< of the text, where it was folded
};

/// Memory of one thread's work, reused from text to text: at most some 300 KB.
struct Scratch {
  std::vector<Token> tokens;
  std::vector<Scores> emissions;
  std::vector<Looked> emission_looks;
  std::vector<Scores> marginals;
  std::vector<Looked> marginal_looks;

  /// What was said of a token by less than its own sight; other spans near it ask for the same.
  struct Narrowed {
    std::size_t token = 0;
    Looked looked;
    Scores emission{};
  };
  std::array<Narrowed, 16> narrowed;  ///< by the token's last bits
};

/// Appends the spans that begin at `from` or later, in order of their beginnings. Returns the first byte at which a
/// span may begin that is not decided yet, at most kSightBytes before the end; the text's size where all is decided.
/// What is said about a byte b depends on [b - kSightBytes, b + kSightBytes) alone, forward also on no more than
/// Fold::skip_characters lets see, and on the label where b is that
/// near to the beginning.
std::size_t tag(const Model& model, const TagInput& in, Scratch& scratch, std::vector<TaggedSpan>& out);

}  // namespace sb::policy::tagger
