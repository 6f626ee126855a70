#include "policy/tagger/train/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "policy/tagger/train/calibrate.h"
#include "policy/tagger/train/examples.h"
#include "policy/tagger/train/generate.h"
#include "policy/tagger/train/random.h"

namespace sb::policy::tagger {
namespace {

constexpr double kLowerCased = 0.3;  // share of texts that are learnt once more without capitals
constexpr double kUpperCased = 0.05;

struct Labelled {
  std::string file;
  Document document;
};

class Trainer {
 public:
  explicit Trainer(const TrainOptions& options) : options_(options) {}

  Result<> read() {
    SB_TRY(const auto names, read_names(options_.names));
    const auto words = gazetteer_words(names);
    slots_ = Gazetteer::build(words);
    for (const auto& file : options_.blank_separated) {
      SB_TRY(auto documents, read_documents(file, true));
      for (auto& document : documents) always_.push_back(std::move(document));
      SB_CHECK(note(file));
    }
    for (const auto& file : options_.texts) {
      SB_TRY(auto documents, read_documents(file, false));
      for (auto& document : documents) folded_.push_back({file, std::move(document)});
      SB_CHECK(note(file));
    }
    Grammar grammar;
    for (const auto& file : options_.grammar) {
      SB_CHECK(grammar.add(file));
      SB_CHECK(note(file));
    }
    for (const auto* list : {"forenames.tsv", "surnames.tsv", "cities.tsv", "countries.txt"})
      SB_CHECK(note(options_.names + "/" + list));
    if (options_.grammar.empty()) return {};
    auto made = generate(grammar, names, options_.generated, options_.learn.seed);
    std::ranges::move(made, std::back_inserter(always_));
    return {};
  }

  // Learns from everything but fold `left_out` of the texts; folds: from everything.
  std::shared_ptr<const Model> learn_without(std::uint32_t left_out, ModelData* whole) {
    Random random(options_.learn.seed);
    std::vector<Example> examples;
    for (const auto& document : always_) add(document, random, examples);
    for (const auto& one : folded_) {
      if (fold_of(one.document) != left_out) add(one.document, random, examples);
    }
    tokens_ = 0;
    for (const auto& example : examples) tokens_ += example.tokens.size();
    ModelData data = learn(examples, options_.learn);
    data.gazetteer = slots_;
    if (whole) *whole = data;
    return std::make_shared<const Model>(std::move(data));
  }

  std::uint32_t fold_of(const Document& document) const {
    return options_.folds == 0 ? 0 : document.fold_hash % options_.folds;
  }
  std::string provenance() const {
    return to_text(json::object{{"command", options_.command}, {"seed", options_.learn.seed}, {"files", files_}});
  }

  const std::vector<Labelled>& folded() const { return folded_; }
  std::size_t documents() const { return always_.size() + folded_.size(); }
  std::size_t tokens() const { return tokens_; }

 private:
  void add(const Document& document, Random& random, std::vector<Example>& examples) const {
    const Gazetteer gazetteer(slots_);
    examples.push_back(to_example(document, gazetteer));
    if (random.chance(kLowerCased)) examples.push_back(to_example(with_case(document, lower_cased), gazetteer));
    if (random.chance(kUpperCased)) examples.push_back(to_example(with_case(document, upper_cased), gazetteer));
  }

  // A file's name and hash, for the provenance; the same file elsewhere is the same file.
  Result<> note(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", path));
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    files_.push_back(
        {{"name", std::filesystem::path(path).filename().string()}, {"sha256", to_hex(sha256(bytes)).substr(0, 16)}});
    return {};
  }

  const TrainOptions& options_;
  std::vector<Document> always_;
  std::vector<Labelled> folded_;
  std::vector<std::uint32_t> slots_;
  json::array files_;
  std::size_t tokens_ = 0;
};

struct Judged {
  Label label;
  Outcome outcome;
};

bool overlaps(const Span& span, const GoldSpan& gold) {
  return gold.begin < span.end && span.begin < gold.end;
}

bool allows(const GoldSpan& gold, Label label) {
  for (std::size_t l = 1; l < kLabels; ++l) {
    if ((gold.allowed >> l & 1) != 0 && same_kind(static_cast<Label>(l), label)) return true;
  }
  return false;
}

// The spans that win, leftmost first, with whether each is right; and the gold spans that none of them meets.
void judge(const Model& model, const Document& document, std::vector<Judged>& judged,
           std::map<std::string, LabelReport>& reports) {
  Scratch scratch;
  std::vector<TaggedSpan> spans;
  tag(model, {document.text, 0, true, {}}, scratch, spans);
  std::vector<bool> met(document.spans.size());
  std::size_t end = 0;
  for (const auto& span : spans) {
    if (span.faint || span.span.begin < end) continue;
    end = span.span.end;
    if ((document.unlabelled >> static_cast<unsigned>(span.label) & 1) != 0) continue;
    bool right = false;
    for (std::size_t i = 0; i < document.spans.size(); ++i) {
      if (!overlaps(span.span, document.spans[i]) || !allows(document.spans[i], span.label)) continue;
      right = true;
      met[i] = met[i] || span.score >= 0.5F;
    }
    judged.push_back({span.label, {span.score, right}});
  }
  for (std::size_t i = 0; i < met.size(); ++i) {
    for (std::size_t l = 1; l < kLabels && !met[i]; ++l) {
      if ((document.spans[i].allowed >> l & 1) == 0) continue;
      ++reports[std::string(type_of(static_cast<Label>(l)))].missed;
      break;
    }
  }
}

}  // namespace

Result<Trained> train(const TrainOptions& options, const OnUnseen& on_unseen, const OnProgress& progress) {
  Trainer trainer(options);
  SB_CHECK(trainer.read());
  Trained out;
  std::vector<Judged> judged;
  std::vector<std::pair<std::uint32_t, std::shared_ptr<const Model>>> models;
  for (std::uint32_t fold = 0; fold < options.folds; ++fold) {
    const auto model = trainer.learn_without(fold, nullptr);
    progress(fmt::format("fold {} of {}: learnt without it", fold + 1, options.folds));
    for (const auto& one : trainer.folded()) {
      if (trainer.fold_of(one.document) == fold) judge(*model, one.document, judged, out.by_type);
    }
    models.emplace_back(fold, model);
  }
  trainer.learn_without(options.folds == 0 ? 1 : options.folds, &out.data);
  for (std::size_t l = 1; l < kLabels; ++l) {
    std::vector<Outcome> outcomes;
    for (const auto& one : judged) {
      if (same_kind(one.label, static_cast<Label>(l))) outcomes.push_back(one.outcome);
    }
    std::tie(out.data.slope[l], out.data.shift[l]) = fit_calibration(outcomes);
  }
  for (const auto& one : judged) {
    auto& report = out.by_type[std::string(type_of(one.label))];
    if (one.outcome.score >= 0.5F) ++(one.outcome.right ? report.right : report.wrong);
  }
  for (const auto& [fold, model] : models) {
    ModelData data = model->data();
    data.slope = out.data.slope, data.shift = out.data.shift;
    const auto calibrated = std::make_shared<const Model>(std::move(data));
    for (const auto& one : trainer.folded()) {
      if (trainer.fold_of(one.document) == fold) on_unseen(one.file, one.document, calibrated);
    }
  }
  out.data.provenance = trainer.provenance();
  out.documents = trainer.documents();
  out.tokens = trainer.tokens();
  return out;
}

}  // namespace sb::policy::tagger
