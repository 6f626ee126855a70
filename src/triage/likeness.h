/// When two questions are so much alike that one's answer is the other's: the same kept words (kept_words.h), and
/// sentence vectors at least as near as labelled texts have taught.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/encoder/encoder.h"
#include "triage/meaning.h"
#include "triage/model_data.h"

namespace sb::triage {

/// What `signalbox triage likeness` learns, and from what.
struct LikenessData {
  std::string encoder;  ///< version of the encoder whose vectors these are
  double threshold = 1;
  double wrong_hits = 0;  ///< at most this share of the answers is another question's...
  double confidence = 0;  ///< ...with this confidence
  double bound = 0;       ///< what the texts allow to promise
  std::size_t texts = 0, hits = 0, wrong = 0;
  std::vector<TrainingFile> files{};
};

std::string encode_likeness(const LikenessData& data);
/// Errors: corrupt, unsupported (another version, or learnt under other kept words).
Result<LikenessData> decode_likeness(std::string_view text);
/// Errors: also not_found; `detail` names the file.
Result<LikenessData> load_likeness(const std::string& path);

/// A question as it is compared.
struct ReadQuestion {
  std::string kept_words;
  Meaning meaning;
};

/// Immutable, thread-safe.
class Likeness {
 public:
  /// Errors: conflict (learnt with another encoder; says which, and how to learn anew).
  static Result<Likeness> create(LikenessData data, Encoder encoder);
  /// Errors: also not_found, and as the files'; `detail` names the file.
  static Result<Likeness> load(const std::string& path, const std::string& encoder_path);

  /// About a millisecond. Nothing: the text is longer than the encoder reads, has pieces it does not know, or no word
  /// that would have to be kept.
  std::optional<ReadQuestion> read(std::string_view text) const { return read_question(encoder_, text); }
  double threshold() const { return data_.threshold; }

  /// The same for one that has no threshold yet.
  static std::optional<ReadQuestion> read_question(const Encoder& encoder, std::string_view text);

 private:
  Likeness(LikenessData data, Encoder encoder) : data_(std::move(data)), encoder_(std::move(encoder)) {}
  LikenessData data_;
  Encoder encoder_;
};

}  // namespace sb::triage
