#include "policy/tagger/train/train.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "policy/tagger/train/calibrate.h"
#include "policy/tagger/train/generate.h"
#include "policy/tagger/train/random.h"
#include "policy/tagger/train/train_command.h"

namespace sb::policy::tagger {
namespace {

namespace fs = std::filesystem;

// A folder with lists, a grammar and a few labelled texts.
class Training : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("tagger_train_test." + std::to_string(::getpid()));
    fs::create_directories(folder_);
    write("forenames.tsv", "anna\tDE,US\nbela\tHU\ncarla\tIT,ES\ndavid\tUS,GB\n");
    write("surnames.tsv", "arnold\tDE\nbaker\tGB,US\ncosta\tIT\ndvorak\tCZ\n");
    write("cities.tsv", "berlin\tGermany\nrome\tItaly\nyork\tUnited Kingdom\n");
    write("countries.txt", "Germany\nItaly\n");
    write("grammar.txt",
          "# sentences\n* text = {s} | {s} {s}\n* s = I met <P {first} {last}> in <L {city}>. | The {thing} is new. | "
          "call "
          "<P {first}> at ## now\n* thing = door | window\n");
    write("texts.jsonl",
          "{\"id\":\"a\",\"text\":\"Ask Carla Baker.\",\"spans\":[{\"start\":4,\"end\":15,\"type\":\"PERSON\"}]}\n"
          "{\"id\":\"b\",\"text\":\"The window is open.\",\"spans\":[]}\n");
    options_.names = folder_;
    options_.grammar = {path("grammar.txt")};
    options_.texts = {path("texts.jsonl")};
    options_.generated = 300;
    options_.folds = 2;
    options_.learn.row_bits = 12;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  Result<Trained> run() {
    return train(options_, [](const auto&, const auto&, const auto&) {}, [](const auto&) {});
  }

  fs::path folder_;
  TrainOptions options_;
};

TEST_F(Training, LearnsWhereNamesStand) {
  const auto trained = run();
  ASSERT_TRUE(trained.has_value());
  const Model model(trained->data);
  Scratch scratch;
  std::vector<TaggedSpan> spans;
  const std::string text = "I met Zora Quill in York.";  // names on no list
  tag(model, {text, 0, true, {}}, scratch, spans);
  ASSERT_FALSE(spans.empty());
  EXPECT_EQ(text.substr(spans[0].span.begin, spans[0].span.size()), "Zora Quill");
  EXPECT_EQ(spans[0].label, Label::person);
}

TEST_F(Training, GivesTheSameBytesAgain) {
  const auto one = run();
  const auto two = run();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(write_model(one->data), write_model(two->data));
  options_.learn.seed = 2;
  const auto three = run();
  ASSERT_TRUE(three.has_value());
  EXPECT_NE(write_model(one->data), write_model(three->data));
}

TEST_F(Training, CommandWritesWeightsThatLoad) {
  std::ostringstream out, err;
  const std::vector<std::string> args = {"--names",       folder_.string(),
                                         "--grammar",     path("grammar.txt"),
                                         "--texts",       path("texts.jsonl"),
                                         "--generated",   "200",
                                         "--folds",       "2",
                                         "--row-bits",    "10",
                                         "--out",         path("weights.bin"),
                                         "--predictions", path("unseen")};
  ASSERT_EQ(train_command(args, out, err), 0) << err.str();
  std::ifstream file(path("weights.bin"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(read_model(bytes, "weights.bin").has_value());
  EXPECT_TRUE(fs::exists(path("unseen") + "/texts.jsonl"));
}

TEST_F(Training, SaysWhatIsWrongWithItsInput) {
  write("grammar.txt", "* text = fine\nnonsense\n");
  const auto bad_grammar = run();
  ASSERT_FALSE(bad_grammar.has_value());
  EXPECT_NE(bad_grammar.error().detail.find("grammar.txt: line 2"), std::string::npos);
  write("grammar.txt", "* text = fine\n");
  write("texts.jsonl", "{\"text\":\"short\",\"spans\":[{\"start\":0,\"end\":9,\"type\":\"PERSON\"}]}\n");
  const auto bad_span = run();
  ASSERT_FALSE(bad_span.has_value());
  EXPECT_NE(bad_span.error().detail.find("texts.jsonl: line 1: a span lies outside its text"), std::string::npos);
  std::ostringstream out, err;
  EXPECT_EQ(train_command(std::vector<std::string>{"--nmes", "x"}, out, err), 2);
  EXPECT_NE(err.str().find("did you mean --names?"), std::string::npos);
}

TEST_F(Training, GeneratedTextsHoldTheirLabels) {
  Grammar grammar;
  ASSERT_TRUE(grammar.add(path("grammar.txt")));
  const auto names = read_names(folder_);
  ASSERT_TRUE(names.has_value());
  std::size_t persons = 0;
  for (const auto& document : generate(grammar, *names, 100, 1)) {
    for (const auto& span : document.spans) {
      ASSERT_LT(span.begin, span.end);
      ASSERT_LE(span.end, document.text.size());
      persons += span.allowed == bit(Label::person);
    }
  }
  EXPECT_GT(persons, 20U);
}

TEST(Calibration, FindsTheTrueOdds) {
  // Scores of 0.9 that are right half of the time, 0.5 that are right one time in ten.
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 1000; ++i) outcomes.push_back({0.9F, i % 2 == 0});
  for (int i = 0; i < 1000; ++i) outcomes.push_back({0.5F, i % 10 == 0});
  const auto [slope, shift] = fit_calibration(outcomes);
  EXPECT_NEAR(slope * std::log(9.0) + shift, 0.0, 0.05);
  EXPECT_NEAR(shift, std::log(1.0 / 9), 0.05);
  const auto [same, none] = fit_calibration(std::span(outcomes).first(20));
  EXPECT_EQ(same, 1.0F);
  EXPECT_EQ(none, 0.0F);
}

TEST(Names, ChangeTheirCaseLetterByLetter) {
  EXPECT_EQ(capitalised("maría-luisa o'neill"), "María-Luisa O'Neill");
  EXPECT_EQ(capitalised("élodie łącka"), "Élodie Łącka");
  EXPECT_EQ(upper_cased("straße žižkov"), "STRAßE ŽIŽKOV");
  EXPECT_EQ(lower_cased("ΛΑΡΝΑΚΑ МОСКВА"), "λαρνακα москва");
}

}  // namespace
}  // namespace sb::policy::tagger
