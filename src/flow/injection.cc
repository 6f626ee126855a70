#include "flow/injection.h"

#include <algorithm>
#include <mutex>

#include "triage/classifier.h"

namespace sb::flow {
namespace {

// An instruction hidden in a page must not drown in it: what is scored is about as long as the texts that were learnt.
constexpr std::size_t kPieceBytes = 192;
// Shorter sentences say too little, and a text of full stops must not cost a look a byte.
constexpr std::size_t kLeastBytes = 24;

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The beginning of the character that `at` stands in. Bytes that are no UTF-8 are not followed further than a character
// is long.
std::size_t character_at(std::string_view text, std::size_t at) {
  for (std::size_t back = 0; back < 3 && at > 0 && at < text.size(); ++back, --at) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80) break;
  }
  return at;
}

// Behind the sentence that begins at `begin`: an end mark and a blank, or a line's end.
std::size_t sentence_end(std::string_view text, std::size_t begin) {
  bool ended = false;
  for (std::size_t at = begin; at < text.size(); ++at) {
    const char c = text[at];
    const bool long_enough = at - begin >= kLeastBytes;
    if (c == '\n' && long_enough) return at + 1;
    if ((c == ' ' || c == '\t' || c == '\n' || c == '\r') && ended && long_enough) return at + 1;
    if (c == '.' || c == '!' || c == '?')
      ended = true;
    else if (c != '"' && c != '\'' && c != ')' && c != ']')
      ended = false;
  }
  return text.size();
}

class ClassifierScorer final : public policy::InjectionScorer {
 public:
  explicit ClassifierScorer(triage::IntentModel model) : model_(std::move(model)) {}

  double score(std::string_view text) const override {
    double most = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = sentence_end(text, begin);
      most = std::max(most, score_sentence(text.substr(begin, end - begin)));
      begin = end;
    }
    return most;
  }
  std::string_view version() const override { return model_.version(); }

 private:
  // A long one in pieces that overlap by half.
  double score_sentence(std::string_view sentence) const {
    double most = 0;
    constexpr std::size_t kStep = kPieceBytes / 2;
    for (std::size_t at = 0; at == 0 || at + kStep < sentence.size(); at += kStep) {
      const std::size_t begin = character_at(sentence, at);
      const std::size_t end = character_at(sentence, std::min(sentence.size(), at + kPieceBytes));
      const auto piece = sentence.substr(begin, end - begin);
      const auto said = model_.predict(piece);
      if (said.readable)
        most = std::max(most, said.kind_mass[static_cast<std::size_t>(triage::AnswerKind::human)]);
      else if (std::ranges::any_of(piece, is_ascii_letter))
        return 1;  // words among control characters or broken UTF-8: what cannot be read is not let through
    }
    return most;
  }

  triage::IntentModel model_;
};

class LateScorer final : public policy::InjectionScorer {
 public:
  explicit LateScorer(std::string_view model_bytes) : bytes_(model_bytes) {}

  double score(std::string_view text) const override { return scorer().score(text); }
  std::string_view version() const override { return scorer().version(); }

 private:
  const policy::InjectionScorer& scorer() const {
    std::call_once(once_, [this] {
      auto made = make_injection_scorer(bytes_);
      SB_ASSERT(made.has_value());
      scorer_ = *std::move(made);
    });
    return *scorer_;
  }

  std::string_view bytes_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const policy::InjectionScorer> scorer_;
};

Result<std::unique_ptr<const policy::InjectionScorer>> wrap(Result<triage::IntentModel> model) {
  if (!model) return std::unexpected(model.error());
  const auto& labels = model->data().labels;
  if (std::ranges::none_of(labels, [](const auto& label) { return label.kind == triage::AnswerKind::human; }))
    return fail(Errc::unsupported, "an injection classifier needs labels with the route \"human\": the attacks");
  return std::make_unique<const ClassifierScorer>(*std::move(model));
}

}  // namespace

Result<std::unique_ptr<const policy::InjectionScorer>> make_injection_scorer(std::string_view model_bytes) {
  return wrap(triage::IntentModel::load(model_bytes));
}

Result<std::unique_ptr<const policy::InjectionScorer>> load_injection_scorer(const std::string& path) {
  return wrap(triage::IntentModel::load_file(path));
}

std::unique_ptr<const policy::InjectionScorer> late_injection_scorer(std::string_view model_bytes) {
  return std::make_unique<const LateScorer>(model_bytes);
}

}  // namespace sb::flow
