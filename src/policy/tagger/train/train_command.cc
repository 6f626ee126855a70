#include "policy/tagger/train/train_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"
#include "base/json.h"
#include "policy/detect/builtin.h"
#include "policy/scanner.h"
#include "policy/tagger/tagger_detector.h"
#include "policy/tagger/train/train.h"

namespace sb::policy {
namespace {

using tagger::Document;
using tagger::Model;

constexpr std::string_view kTrainHelp = R"(Learn the weights that find names, places, organisations and addresses.

  signalbox policy train --names DIR --out FILE [options]

The same files, options and seed give the same bytes. src/policy/tagger/train.sh makes the shipped weights.

  --names DIR           forenames.tsv, surnames.tsv, cities.tsv (name, TAB, countries), countries.txt
  --grammar FILE...     sentences to fill with those names (src/policy/tagger/corpus tells the format)
  --generated N         how many texts to make from the grammar (20000)
  --texts FILE...       labelled texts: {"id","text","spans":[{"start","end","type"}],"ignore_types":[...]}, in code points
  --blank-separated FILE...   the same for sets whose tokens are joined by blanks and that label PERSON, LOCATION, ORG
  --folds N             calibrate the scores by N-fold cross-validation over --texts, by template (5; 0: do not)
  --predictions DIR     write what weights that had not seen a text find in it, with all shipped detectors
  --out FILE            the weights (made complete, then moved into place)
  --seed N              another draw of the same kind (1)
  --row-bits N          2^N rows of weights, 8 bytes each (18)
  --epochs N            times each text is read (5)
)";

const std::vector<std::string> kTrainOptions = {"--names",           "--grammar", "--generated",   "--texts",
                                                "--blank-separated", "--folds",   "--out",         "--seed",
                                                "--row-bits",        "--epochs",  "--predictions", "--help"};

using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

Result<Values> parse(std::span<const std::string> args) {
  Values out;
  std::vector<std::string>* values = nullptr;
  for (const auto& arg : args) {
    if (arg.starts_with("--")) {
      if (std::ranges::find(kTrainOptions, arg) == kTrainOptions.end()) {
        const auto near = nearest(arg, kTrainOptions);
        return fail(Errc::invalid_argument,
                    fmt::format("unknown option {}{}", arg, near ? "; did you mean " + *near + "?" : ""));
      }
      values = &out[arg];
    } else if (!values) {
      return fail(Errc::invalid_argument, fmt::format("unexpected \"{}\": every value follows an option", arg));
    } else {
      values->push_back(arg);
    }
  }
  return out;
}

Result<std::string> one(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  if (found == values.end() || found->second.size() != 1)
    return fail(Errc::invalid_argument, fmt::format("{} needs one value", name));
  return found->second[0];
}

template <class T>
Result<> number(const Values& values, std::string_view name, T& out, T least, T most) {
  if (!values.contains(name)) return {};
  SB_TRY(const auto text, one(values, name));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < least || out > most)
    return fail(Errc::invalid_argument, fmt::format("{} is a whole number from {} to {}", name, least, most));
  return {};
}

std::vector<std::string> list(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>() : found->second;
}

// As it goes into the weights: folders are left out (the same files elsewhere are the same files), and so is what does
// not change them.
std::string command_line(std::span<const std::string> args) {
  std::string line = "signalbox policy train";
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--predictions" || args[i] == "--out") {
      ++i;
    } else {
      line += " " + (args[i].starts_with("--") ? args[i] : std::filesystem::path(args[i]).filename().string());
    }
  }
  return line;
}

Result<tagger::TrainOptions> read_options(std::span<const std::string> args, const Values& values) {
  tagger::TrainOptions out;
  SB_TRY(out.names, one(values, "--names"));
  out.grammar = list(values, "--grammar");
  out.texts = list(values, "--texts");
  out.blank_separated = list(values, "--blank-separated");
  SB_CHECK(number<std::size_t>(values, "--generated", out.generated, 0, 1'000'000));
  SB_CHECK(number<std::uint32_t>(values, "--folds", out.folds, 0, 20));
  SB_CHECK(number<std::uint64_t>(values, "--seed", out.learn.seed, 0, UINT64_MAX));
  SB_CHECK(number<std::uint32_t>(values, "--row-bits", out.learn.row_bits, 8, 22));
  SB_CHECK(number<int>(values, "--epochs", out.learn.epochs, 1, 100));
  out.command = command_line(args);
  return out;
}

// Everything we ship, with other weights.
Scanner scanner_with(const std::shared_ptr<const Model>& model) {
  auto detectors = make_builtin_detectors();
  detectors.push_back(make_tagger_detector(model));
  return Scanner(std::move(detectors));
}

// As `policy scan --jsonl` writes it.
class PredictionFiles {
 public:
  explicit PredictionFiles(std::string folder) : folder_(std::move(folder)) {}

  Result<> prepare(const std::vector<std::string>& files) {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    for (const auto& file : files) {
      const auto path = std::filesystem::path(folder_) / std::filesystem::path(file).filename();
      files_[file].open(path, std::ios::trunc);
      if (!files_[file]) return fail(Errc::internal, fmt::format("{}: cannot be written", path.string()));
    }
    return {};
  }

  void write(const std::string& file, const Document& document, const std::shared_ptr<const Model>& model) {
    if (model != model_) scanner_ = std::make_unique<Scanner>(scanner_with(model)), model_ = model;
    ScanResult found;
    scanner_->scan(document.text, {}, found);
    std::string line = fmt::format("{{\"id\":{},\"spans\":[", document.id);
    std::size_t byte = 0;
    std::size_t point = 0;
    const auto point_at = [&](std::size_t to) {
      for (; byte < to; ++byte) point += (static_cast<unsigned char>(document.text[byte]) & 0xc0) != 0x80;
      return point;
    };
    for (const auto& finding : found.findings) {
      const std::size_t start = point_at(finding.span.begin);
      line += fmt::format(R"({}{{"start":{},"end":{},"type":"{}","score":{:.3f}}})", line.back() == '[' ? "" : ",",
                          start, point_at(finding.span.end), finding.type, finding.score);
    }
    files_[file] << line << "]}\n";
  }

 private:
  std::string folder_;
  std::map<std::string, std::ofstream> files_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Scanner> scanner_;
};

void print_report(const tagger::Trained& trained, std::ostream& out) {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "{} texts, {} tokens with copies in other cases\n", trained.documents,
                 trained.tokens);
  for (const auto& [type, n] : trained.by_type) {
    if (type.empty() || n.right == 0) continue;  // not reported, or never met
    const double precision = static_cast<double>(n.right) / static_cast<double>(n.right + n.wrong);
    const double recall = static_cast<double>(n.right) / static_cast<double>(n.right + n.missed);
    fmt::format_to(std::back_inserter(text), "{:<14} unseen templates: precision {:.3f} recall {:.3f} F1 {:.3f}\n",
                   type, precision, recall, 2 * precision * recall / (precision + recall));
  }
  out << fmt::to_string(text);
}

Result<> run(std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  SB_TRY(const auto values, parse(args));
  SB_TRY(const auto options, read_options(args, values));
  SB_TRY(const auto target, one(values, "--out"));
  std::unique_ptr<PredictionFiles> predictions;
  if (values.contains("--predictions")) {
    SB_TRY(auto folder, one(values, "--predictions"));
    predictions = std::make_unique<PredictionFiles>(std::move(folder));
    SB_CHECK(predictions->prepare(options.texts));
  }
  const auto on_unseen = [&](const auto& file, const auto& document, const auto& model) {
    if (predictions) predictions->write(file, document, model);
  };
  SB_TRY(const auto trained, tagger::train(options, on_unseen, [&](const auto& what) { err << what << "\n"; }));
  const auto bytes = write_model(trained.data);
  SB_CHECK(replace_file(target, bytes));
  print_report(trained, out);
  out << fmt::format("wrote {} ({} bytes)\n", target, bytes.size());
  return {};
}

}  // namespace

int train_command(std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  if (args.empty() || std::ranges::find(args, "--help") != args.end()) {
    (args.empty() ? err : out) << kTrainHelp;
    return args.empty() ? 2 : 0;
  }
  const auto done = run(args, out, err);
  if (done) return 0;
  err << "signalbox policy train: " << done.error().detail << "\n";
  return 2;
}

}  // namespace sb::policy
