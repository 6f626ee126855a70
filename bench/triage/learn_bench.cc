// What an intent is worth that is learnt from a few labelled texts, what the others lose by it, and how long it takes;
// beside a training from everything, in one run.
//
//     learn_bench TRAIN VALIDATION ENCODER [INTENTS (8)] [TEXTS (20)]
//
// INTENTS labels, spread over their names, are kept from the training. Each is learnt by itself from its first TEXTS
// training texts, then all of them at once, then a model is trained anew with these texts among the others. ENCODER:
// its file, or `none`: tier 0 alone.
#include <fmt/ostream.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "triage/confidence.h"
#include "triage/dataset.h"
#include "triage/learn.h"
#include "triage/train.h"

namespace {

using namespace sb::triage;

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Counted {
  double right = 0;
  double all = 0;
  double share() const { return all > 0 ? right / all : 0; }
};

struct Score {
  Counted known;    // texts of the labels that training had
  Counted fresh;    // of the learnt ones
  Counted taken;    // of those that are taken for a learnt label, how many rightly
  double sure = 0;  // mean confidence of these
  std::vector<Sure> answers;
};

// Texts of labels that were kept from training and are not learnt are no texts of this traffic.
void add_score(const IntentModel& model, const Dataset& texts, const std::set<std::string>& kept_out,
               const std::set<std::string>& learnt, Score& score) {
  for (const auto& example : texts.examples) {
    const bool is_fresh = learnt.contains(example.intent);
    if (kept_out.contains(example.intent) && !is_fresh) continue;
    const auto said = model.predict(example.text);
    const bool right = said.intent == example.intent;
    auto& group = is_fresh ? score.fresh : score.known;
    group.right += right;
    ++group.all;
    score.answers.push_back({said.confidence, right});
    if (!learnt.contains(std::string(said.intent))) continue;
    score.taken.right += right;
    ++score.taken.all;
    score.sure += said.confidence;
  }
}

void print(const std::string& name, const Score& score, double seconds) {
  fmt::print(std::cout,
             "{:<36} known {:.4f}  learnt {:.3f} of {:<4} precision {:.3f} where it says {:.3f}  calibration {:.4f}  "
             "{:.3f} s\n",
             name, score.known.share(), score.fresh.share(), score.fresh.all, score.taken.share(),
             score.taken.all > 0 ? score.sure / score.taken.all : 0, calibration_error(score.answers), seconds);
  std::cout.flush();
}

struct Setting {
  Dataset training;  // without the labels that are kept out
  Dataset validation;
  std::set<std::string> kept_out;
  std::map<std::string, std::vector<LabelledText>> lessons;
};

Setting setting_of(Dataset all, Dataset validation, std::size_t intents, std::size_t texts) {
  Setting out;
  std::map<std::string, std::vector<Example>> by_intent;
  for (const auto& example : all.examples) by_intent[example.intent].push_back(example);
  std::vector<std::string> names;
  for (const auto& [name, examples] : by_intent) {
    if (examples.size() >= 2 * texts && name != "oos") names.push_back(name);
  }
  for (std::size_t i = 0; i < intents; ++i) {
    const auto& name = names[(2 * i + 1) * names.size() / (2 * intents)];
    out.kept_out.insert(name);
    for (std::size_t text = 0; text < texts; ++text) out.lessons[name].push_back({by_intent[name][text].text, name});
  }
  out.training = std::move(all);
  std::erase_if(out.training.examples, [&](const Example& example) { return out.kept_out.contains(example.intent); });
  out.validation = std::move(validation);
  return out;
}

void learn_each(const std::string& tier, const IntentModel& model, const Setting& setting) {
  Score before;
  add_score(model, setting.validation, setting.kept_out, {}, before);
  print(tier + " before", before, 0);
  Score mean;
  double mean_seconds = 0;
  std::vector<LabelledText> all;
  const auto learn = [&](std::span<const LabelledText> texts, const std::set<std::string>& names, Score& score) {
    Learning learning;
    const double seconds = seconds_of([&] { learning = learn_beside(model, texts, {}).value(); });
    const auto taught = model.with_learnt(std::move(learning.learnt)).value();
    add_score(taught, setting.validation, setting.kept_out, names, score);
    return seconds;
  };
  for (const auto& [name, texts] : setting.lessons) {
    Score one;
    const double seconds = learn(texts, {name}, one);
    print(fmt::format("{} {}", tier, name).substr(0, 36), one, seconds);
    mean_seconds += learn(texts, {name}, mean) / static_cast<double>(setting.lessons.size());
    all.insert(all.end(), texts.begin(), texts.end());
  }
  print(tier + " mean, one at a time", mean, mean_seconds);
  Score together;
  const double seconds = learn(all, setting.kept_out, together);
  print(tier + " all at once", together, seconds);
}

sb::Result<> run(const std::vector<std::string>& args) {
  SB_TRY(auto all, read_dataset({args[0]}));
  SB_TRY(auto validation, read_dataset({args[1]}));
  std::optional<Encoder> encoder;
  if (args[2] != "none") {
    SB_TRY(encoder, Encoder::load_file(args[2]));
  }
  auto setting = setting_of(std::move(all), std::move(validation), args.size() > 3 ? std::stoul(args[3]) : 8,
                            args.size() > 4 ? std::stoul(args[4]) : 20);
  TrainOptions options;
  options.encoder = encoder ? &*encoder : nullptr;
  const auto trained = [&](double& seconds) -> sb::Result<IntentModel> {
    sb::Result<Trained> made = sb::fail(sb::Errc::internal, "not trained");
    seconds = seconds_of([&] { made = train(setting.training, nullptr, options, [](double) {}); });
    if (!made) return std::unexpected(made.error());
    return IntentModel::from_data(std::move(made->data));
  };
  const auto each_tier = [&](const IntentModel& model, const auto& tell) -> sb::Result<> {
    tell("tier 0", model);
    if (!encoder) return {};
    SB_TRY(const auto with_encoder, model.with_encoder(*encoder));
    tell("tier 1", with_encoder);
    return {};
  };
  double seconds = 0;
  SB_TRY(const auto model, trained(seconds));
  fmt::print(std::cout, "trained without {} intents in {:.1f} s\n", setting.kept_out.size(), seconds);
  SB_CHECK(each_tier(model, [&](const char* tier, const IntentModel& one) { learn_each(tier, one, setting); }));
  for (const auto& [name, texts] : setting.lessons) {
    for (const auto& text : texts) setting.training.examples.push_back({text.text, name, {}});
  }
  SB_TRY(const auto anew, trained(seconds));
  return each_tier(anew, [&](const char* tier, const IntentModel& one) {
    Score score;
    add_score(one, setting.validation, setting.kept_out, setting.kept_out, score);
    print(fmt::format("{} trained anew with them", tier), score, seconds);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() < 3) {
    std::cerr << "learn_bench TRAIN VALIDATION ENCODER|none [INTENTS] [TEXTS]\n";
    return 2;
  }
  const auto done = run(args);
  if (!done) std::cerr << done.error().detail << '\n';
  return done ? 0 : 1;
}
