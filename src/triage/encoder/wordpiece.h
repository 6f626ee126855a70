/// Texts to the pieces of words that a BERT-like encoder knows (Devlin et al., 2019: uncased WordPiece).
///
/// Lower case, accents off, punctuation and CJK characters apart, then the longest known pieces from the left.
/// Immutable after construction; bounded: at most `limit` pieces, whatever the text is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/errors.h"

namespace sb::triage {

struct Pieces {
  std::vector<std::uint32_t> ids;  ///< begins with [CLS], ends with [SEP]
  std::uint32_t unknown = 0;       ///< how many are [UNK]
  bool truncated = false;          ///< there was more text
};

class WordPiece {
 public:
  /// `vocabulary`: one piece a line; "##" marks pieces inside words. Errors: corrupt (a special piece is missing).
  static Result<WordPiece> from_vocabulary(std::string vocabulary);

  /// Fills `out` with at most `limit` pieces (2 and more), the two special ones included. `text` is UTF-8; bytes that
  /// are not are skipped.
  void split(std::string_view text, std::size_t limit, Pieces& out) const;

  std::size_t size() const { return count_; }
  const std::string& vocabulary() const { return *text_; }

 private:
  using Map = std::unordered_map<std::string_view, std::uint32_t>;
  bool add_word(std::string_view word, std::size_t limit, Pieces& out) const;

  std::shared_ptr<const std::string> text_;  // what the maps' keys lie in
  std::size_t count_ = 0;
  Map starts_;
  Map inner_;
  std::uint32_t cls_ = 0, sep_ = 0, unk_ = 0;
};

}  // namespace sb::triage
