#include "triage/command.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "triage/encoder/testing_encoder.h"
#include "triage/likeness.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

using testing::HasSubstr;

class TriageCommand : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "triage_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  int run(const std::vector<std::string>& args, const std::string& input = "", const ReadDecision& read = {}) {
    std::istringstream in(input);
    out_.str("");
    err_.str("");
    return triage_command(args, in, out_, err_, read);
  }

  std::string write_examples(const std::string& name) {
    std::string lines;
    for (const auto& e : test_dataset().examples) {
      lines += to_text(json::object{{"text", e.text}, {"intent", e.intent}, {"route", e.route}}) + "\n";
    }
    const gzFile gz = gzopen(file(name).c_str(), "wb");
    gzwrite(gz, lines.data(), static_cast<unsigned>(lines.size()));
    gzclose(gz);
    return file(name);
  }

  std::filesystem::path folder_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(TriageCommand, TrainsEvaluatesAndPredicts) {
  const auto data = write_examples("train.jsonl.gz");
  ASSERT_EQ(
      run({"train", "--data", data, "--out", file("m.sbm"), "--epochs", "10", "--members", "1", "--dimension", "16"}),
      0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("wrote "));
  EXPECT_THAT(err_.str(), HasSubstr("100 %"));

  ASSERT_EQ(run({"eval", "--model", file("m.sbm"), "--data", data, "--json"}), 0) << err_.str();
  const auto report = parse_json(out_.str());
  ASSERT_TRUE(report);
  EXPECT_EQ(int_member(*report, "texts"), static_cast<std::int64_t>(test_dataset().examples.size()));

  EXPECT_TRUE(find_member(*report, "cost"));
  ASSERT_EQ(run({"eval", "--model", file("m.sbm"), "--data", data, "--html", file("r.html"), "--price", "large=40"}),
            0);
  EXPECT_THAT(out_.str(), HasSubstr("all large"));
  EXPECT_THAT(out_.str(), HasSubstr("40000")) << "a thousand queries at the price of the flag";
  EXPECT_TRUE(std::filesystem::exists(file("r.html")));
  EXPECT_EQ(run({"eval", "--model", file("m.sbm"), "--data", data, "--price", "larg=40"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean large?"));

  ASSERT_EQ(run({"predict", "--model", file("m.sbm"), "--jsonl", "-"},
                "{\"id\": 7, \"text\": \"what is my balance\"}\n\n{\"text\": \"\"}\n"),
            0)
      << err_.str();
  std::istringstream lines(out_.str());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = parse_json(line);
  ASSERT_TRUE(first);
  EXPECT_EQ(int_member(*first, "id"), 7);
  EXPECT_EQ(string_member(*first, "intent"), "balance");
  EXPECT_TRUE(find_member(*first, "confidence") && find_member(*first, "abstained") && find_member(*first, "route"));
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_TRUE(bool_member(*parse_json(line), "abstained"));
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(TriageCommand, TuneWritesAPageEvenWhereItRefuses) {
  const auto data = write_examples("train.jsonl.gz");
  ASSERT_EQ(run({"train", "--data", data, "--out", file("m.sbm"), "--epochs", "10", "--members", "1"}), 0);
  EXPECT_EQ(run({"tune", "--model", file("m.sbm"), "--data", data, "--out", file("t.sbm"), "--html", file("t.html"),
                 "--rehearse", "3", "--sizes", "100", "200"}),
            1);
  EXPECT_THAT(out_.str(), HasSubstr("200 texts: "));
  EXPECT_THAT(err_.str(), HasSubstr("cannot promise"));
  EXPECT_FALSE(std::filesystem::exists(file("t.sbm")));
  EXPECT_TRUE(std::filesystem::exists(file("t.html")));

  ASSERT_EQ(run({"tune", "--model", file("m.sbm"), "--data", data, "--out", file("t.sbm"), "--wrong-scripts", "0.3"}),
            0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("best single cheaper model"));
  EXPECT_TRUE(std::filesystem::exists(file("t.sbm")));
}

TEST_F(TriageCommand, EvalJudgesAWholeDocument) {
  const auto data = write_examples("train.jsonl.gz");
  ASSERT_EQ(run({"train", "--data", data, "--out", file("m.sbm"), "--epochs", "10", "--members", "1"}), 0);
  std::ofstream(file("triage.yaml")) << "version: 1\nmodel: m.sbm\nthresholds: {script: 1.1, human: 1.1}\n";
  ASSERT_EQ(run({"eval", "--config", file("triage.yaml"), "--data", data, "--json"}), 0) << err_.str();
  const auto report = parse_json(out_.str());
  ASSERT_TRUE(report);
  EXPECT_EQ(find_member(*report, "scripted_right")->to_number<double>(), 0);
  EXPECT_EQ(find_member(*report, "human_recall")->to_number<double>(), 0);
}

TEST_F(TriageCommand, ExplainsATextALineAndARun) {
  const auto data = write_examples("train.jsonl.gz");
  ASSERT_EQ(run({"train", "--data", data, "--out", file("m.sbm"), "--epochs", "10", "--members", "1"}), 0);
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"explain", "--model", file("m.sbm"), "what is my balance"},
           {"explain", "what is my balance", "--model", file("m.sbm")},
           {"explain", "--model", file("m.sbm"), "--text", "what", "is", "my", "balance"}}) {
    ASSERT_EQ(run(args), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("intent    balance"));
    EXPECT_THAT(out_.str(), HasSubstr("features"));
  }
  ASSERT_EQ(run({"explain", "--model", file("m.sbm"), "--json", "what is my balance"}), 0) << err_.str();
  EXPECT_EQ(string_member(*parse_json(out_.str()), "intent"), "balance");
  ASSERT_EQ(run({"explain", "--model", file("m.sbm"), "--jsonl", "-"}, "{\"id\":7,\"text\":\"a poem\"}\n"), 0);
  const auto line = parse_json(out_.str());
  ASSERT_TRUE(line);
  EXPECT_EQ(int_member(*line, "id"), 7);
  EXPECT_TRUE(find_member(*find_member(*line, "explanation"), "checks"));

  std::ofstream(file("other.jsonl")) << "{\"text\": \"x\", \"intent\": \"y\"}\n";
  EXPECT_EQ(run({"explain", "--model", file("m.sbm"), "--training", file("other.jsonl"), "--text", "x"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("trained on other files: train.jsonl.gz"));
  EXPECT_EQ(run({"explain", "--model", file("m.sbm"), "--training", data, "--text", "x"}), 0) << err_.str();

  const auto read = [](const std::string&, const std::string& id) -> Result<json::value> {
    if (id != "r1") return fail(Errc::not_found, "no run " + id);
    return parse_json(R"({"chosen":"human","kind":"route","reasons":["needs a person: 0.9 >= 0.1"],"intent":"stolen",
        "score":0.9,"threshold":0.1,"out_of_scope":0.01,"script":"","alternatives":[{"intent":"hours","probability":0.02}],
        "versions":{"classifier":"abc","triage":"def"}})");
  };
  ASSERT_EQ(run({"explain", "--data", "d", "--run", "r1"}, "", read), 0) << err_.str();
  for (const auto* part :
       {"human", "needs a person: 0.9 >= 0.1", "stolen with confidence 0.900", "hours 0.020", "abc"}) {
    EXPECT_THAT(out_.str(), HasSubstr(part));
  }
  EXPECT_EQ(run({"explain", "--data", "d", "--run", "r2"}, "", read), 1);
}

TEST_F(TriageCommand, TwoRunsWriteTheSameBytes) {
  const auto data = write_examples("train.jsonl.gz");
  for (const auto* name : {"a.sbm", "b.sbm"}) {
    ASSERT_EQ(run({"train", "--data", data, "--out", file(name), "--epochs", "3", "--members", "1"}), 0) << err_.str();
    std::filesystem::rename(file(name), file(std::string(name) + ".kept"));
  }
  const auto read = [&](const char* name) {
    std::ifstream in(file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  // The command line, output name included, is part of the provenance: only it may differ.
  auto a = IntentModel::load(read("a.sbm.kept"));
  auto b = IntentModel::load(read("b.sbm.kept"));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->data().embeddings, b->data().embeddings);
  EXPECT_EQ(a->data().heads, b->data().heads);
  EXPECT_EQ(a->data().thresholds.script, b->data().thresholds.script);
  EXPECT_EQ(a->data().provenance.files[0].sha256, b->data().provenance.files[0].sha256);
  EXPECT_THAT(a->data().provenance.command, HasSubstr("--data train.jsonl.gz"));
}

TEST_F(TriageCommand, HelpTeaches) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("triage train --data"));
  for (const auto* command : {"train", "eval", "predict"}) {
    EXPECT_EQ(run({command, "--help"}), 0);
    EXPECT_THAT(out_.str(), HasSubstr(std::string("signalbox triage ") + command));
  }
}

TEST_F(TriageCommand, WrongUsageSaysWhatWouldBeRight) {
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"tran"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean train?"));
  EXPECT_EQ(run({"train", "--dat", "x"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean --data?"));
  EXPECT_EQ(run({"train", "x"}), 2);
  EXPECT_EQ(run({"train", "--out", "x"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--data"));
  EXPECT_EQ(run({"train", "--data", file("missing"), "--out", "x"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr(file("missing")));
  EXPECT_EQ(run({"train", "--data", "x", "--out", "y", "--seed", "many"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--seed \"many\""));
}

TEST_F(TriageCommand, BadLinesAreNamedWithoutTheirText) {
  std::ofstream(file("bad.jsonl")) << "{\"text\": \"fine\", \"intent\": \"a\"}\n{\"text\": \"private words\"}\n";
  EXPECT_EQ(run({"train", "--data", file("bad.jsonl"), "--out", file("m")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("bad.jsonl:2: no \"intent\""));
  EXPECT_EQ(err_.str().find("private"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(file("m")));
}

TEST_F(TriageCommand, PredictRefusesAFileThatIsNoModel) {
  std::ofstream(file("m.sbm")) << "hello";
  EXPECT_EQ(run({"predict", "--model", file("m.sbm"), "--jsonl", "-"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("m.sbm: not a triage model"));
}

// Sums are hard for the small model, greetings for nobody.
std::string outcomes_lines(int count, bool judged) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    json::object line{{"prompt", i % 2 == 0 ? "what is " + std::to_string(i) + " plus seven" : "good morning to you"}};
    if (judged) {
      line["weak_ok"] = i % 2 == 1;
      line["strong_ok"] = true;
    }
    out += to_text(line) + "\n";
  }
  return out;
}

TEST_F(TriageCommand, OutcomesSayHowFarTheyDependOnTheQueriesAsked) {
  std::ofstream(file("train.jsonl")) << outcomes_lines(60, true);
  const std::vector<std::string> args{"outcomes",  "--train", file("train.jsonl"), "--jsonl", "-",
                                      "--encoder", "none",    "--cross-validate"};
  ASSERT_EQ(run(args, outcomes_lines(4, true)), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("95 % of redraws"));
  EXPECT_THAT(err_.str(), HasSubstr("60 queries"));
  EXPECT_THAT(err_.str(), HasSubstr("lines of --jsonl:\n4 queries; weak right 50.0 %, strong 100.0 %"));
  const auto first = parse_json(out_.str().substr(0, out_.str().find('\n')));
  ASSERT_TRUE(first);
  EXPECT_GT(find_member(*first, "p_gain")->to_number<double>(), 0.5);

  ASSERT_EQ(run(args, outcomes_lines(3, true) + outcomes_lines(1, false)), 0) << err_.str();
  EXPECT_THAT(err_.str(), testing::Not(HasSubstr("lines of --jsonl"))) << "of one of them nobody knows";
}

/// Forty questions in one wording; every so many carry the next one's label.
std::string questions_of_one_wording(std::string_view polite, int wrong_every) {
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    const int label = wrong_every > 0 && i % wrong_every == 0 ? i + 1 : i;
    lines += to_text(json::object{{"text", fmt::format("{} where order {} went", polite, i)},
                                  {"intent", fmt::format("order_{}", label)}}) +
             "\n";
  }
  return lines;
}

TEST_F(TriageCommand, LearnsHowAlikeQuestionsMustBeOrSaysWhyNot) {
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(file(name)) << text;
    return file(name);
  };
  const auto encoder = write("letters.sbe", encode_encoder(testing_encoder(vocabulary_of_letters())));
  std::string lines;
  for (const auto* polite :
       {"tell me", "please tell me", "can you tell me", "i want to know", "show me", "do you know"})
    lines += questions_of_one_wording(polite, 0);
  const auto data = write("asked.jsonl", lines);
  const auto learn = [&](const std::string& from, std::vector<std::string> more) {
    std::vector<std::string> args{"likeness", "--data", from, "--encoder", encoder};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  };
  ASSERT_EQ(learn(data, {"--out", file("l.json"), "--wrong-hits", "0.1"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("kept words alone"));
  EXPECT_THAT(out_.str(), HasSubstr("0 wrong of "));
  const auto likeness = Likeness::load(file("l.json"), encoder);
  ASSERT_TRUE(likeness) << likeness.error().detail;
  EXPECT_GT(likeness->threshold(), 0);

  ASSERT_EQ(learn(data, {"--with", file("l.json"), "--cached", data}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("both"));

  const auto mixed = write("mixed.jsonl", lines + questions_of_one_wording("hey tell me", 2));
  EXPECT_EQ(learn(mixed, {"--out", file("none.json"), "--wrong-hits", "0.01", "--show", "3"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot promise 1.00 % wrong hits with 95 % confidence"));
  EXPECT_FALSE(std::filesystem::exists(file("none.json")));
  EXPECT_EQ(run({"likeness", "--data", data, "--out", file("none.json"), "--encoder", "none"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("make encoder"));
}

}  // namespace
}  // namespace sb::triage
