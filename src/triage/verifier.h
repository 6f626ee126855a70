/// What the large model would gain over an answer of the small one, learnt from recorded outcomes of both, as a file:
/// the weights, which encoder saw the queries, and the gain beyond which the large model is to be asked.
///
/// The limit keeps a promise: with the stated confidence at least `quality` of the queries that the large model answers
/// rightly are answered rightly by what is given, in traffic like it. An exact binomial test of gains that were told by
/// models which had not seen the query (Learn then Test, fixed sequence; as tune.h). Immutable; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/encoder/encoder.h"
#include "triage/outcomes.h"

namespace sb::triage {

/// How much of a prompt and of an answer is read, in learning and in use.
inline constexpr std::size_t kMaxOutcomePrompt = 4096;
inline constexpr std::size_t kMaxOutcomeAnswer = 65536;

/// A query and the small model's answer as the model of outcomes reads them. `encoder`: null: hashed n-grams.
/// `answer`: none: it is not looked at.
OutcomeRow outcome_row(const Encoder* encoder, std::string_view prompt, std::optional<std::string_view> answer);

struct QualityTarget {
  double quality = 0.95;  ///< of the large model's right answers
  double confidence = 0.95;
};

struct GainLimit {
  double gain_over = -1;    ///< beyond it the large model is asked
  double avoided = 0;       ///< share of the rows whose small answer would be given
  double lost_at_most = 1;  ///< of the large model's right answers, at the target's confidence
};

/// The greatest limit that the rows support; `gains`: of each, from a model that had not seen it.
/// Errors: invalid_argument where they support none: `detail` says how many there were, and about how many it takes.
Result<GainLimit> limit_for(const std::vector<OutcomeRow>& rows, const std::vector<double>& gains,
                            const QualityTarget& target);

struct VerifierData {
  OutcomeModel model;
  std::string encoder{};  ///< version of the one that saw the queries; empty: hashed n-grams
  double gain_over = 0;
  QualityTarget target{};
  std::uint64_t rows = 0;  ///< that it was learnt from
};

/// The file: "SBOUTCOM", as sealed_file.h says. Equal data gives equal bytes.
std::string encode_verifier(const VerifierData& data);
/// Errors: corrupt (not a verifier, cut, changed, or inconsistent inside), unsupported (another version of the format).
Result<VerifierData> decode_verifier(std::string_view bytes);

class Verifier {
 public:
  /// `encoder`: nothing: none at hand.
  /// Errors: as decode_verifier; conflict (it was learnt with an encoder that is not this one; `detail` says which).
  static Result<std::shared_ptr<const Verifier>> from_bytes(std::string_view bytes, std::optional<Encoder> encoder);
  /// Errors: those, with the file's name; not_found.
  static Result<std::shared_ptr<const Verifier>> load_file(const std::string& path, std::optional<Encoder> encoder);

  double gain(std::string_view prompt, std::string_view answer) const;
  double gain_over() const { return data_.gain_over; }
  /// First 16 hex digits of the file's SHA-256.
  const std::string& version() const { return version_; }

 private:
  Verifier(VerifierData data, std::optional<Encoder> encoder, std::string version)
      : data_(std::move(data)), encoder_(std::move(encoder)), version_(std::move(version)) {}

  VerifierData data_;
  std::optional<Encoder> encoder_;
  std::string version_;
};

}  // namespace sb::triage
