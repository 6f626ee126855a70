/// Labelled text for training the tagger, from JSON lines and lists of names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/errors.h"
#include "policy/tagger/labels.h"
#include "policy/tagger/token.h"

namespace sb::policy::tagger {

struct GoldSpan {
  std::size_t begin = 0;  ///< bytes
  std::size_t end = 0;
  std::uint8_t allowed = 0;  ///< bit per label that its tokens may have
};

constexpr std::uint8_t bit(Label label) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(label));
}

/// One text with what is known about it. `unlabelled`: bit per label that the set leaves out here: a token without a
/// span may be any of those.
struct Document {
  std::string id;
  std::string text;
  std::vector<GoldSpan> spans;  ///< sorted, not overlapping
  std::uint8_t unlabelled = 0;
  std::uint32_t fold_hash = 0;  ///< of the text with its values taken out: texts of one template share it
};

/// Reads {"id","text","spans":[{"start","end","type"}],"ignore_types":[...]} lines, offsets in code points.
/// `tweets_and_news`: sets whose tokens are joined by blanks, and that label persons, places and organisations only:
/// the blanks before punctuation go away.
Result<std::vector<Document>> read_documents(const std::string& path, bool blank_separated);

}  // namespace sb::policy::tagger
