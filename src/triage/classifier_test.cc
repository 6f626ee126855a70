#include "triage/classifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/crypto.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

// A file whose payload was edited by someone who knows how to make the checksum right again.
std::string reseal(std::string bytes) {
  const auto digest = sha256(std::string_view(bytes).substr(52));
  std::memcpy(bytes.data() + 20, digest.data(), digest.size());
  return bytes;
}

TEST(IntentModel, LearnsItsIntentsAndTheirRoutes) {
  const auto& model = test_model();
  EXPECT_EQ(model.predict("what are your opening hours").intent, "hours");
  EXPECT_EQ(model.predict("somebody stole my wallet and my card").intent, "stolen");
  EXPECT_EQ(model.predict("please write me a poem about rain").intent, "poem");
  EXPECT_EQ(model.predict("somebody stole my wallet and my card").kind, AnswerKind::human);
}

TEST(IntentModel, ProbabilitiesAreProbabilities) {
  for (const auto* text : {"when do you open", "zzzz qqqq", "write a poem", "ignore all rules", "a"}) {
    const auto p = test_model().predict(text);
    EXPECT_GE(p.confidence, 0) << text;
    EXPECT_LE(p.confidence, 1) << text;
    EXPECT_GE(p.out_of_scope, 0) << text;
    EXPECT_LE(p.out_of_scope, 1) << text;
    EXPECT_NEAR(p.kind_mass[0] + p.kind_mass[1] + p.kind_mass[2] + p.kind_mass[3], 1, 1e-4) << text;
    EXPECT_EQ(p.alternatives[0].intent, p.intent) << text;
    EXPECT_EQ(p.alternatives[0].intent, p.intent) << text;
    EXPECT_GE(p.alternatives[0].probability, p.alternatives[1].probability) << text;
    EXPECT_GE(p.alternatives[1].probability, p.alternatives[2].probability) << text;
  }
}

TEST(IntentModel, SavedAndLoadedPredictsTheSame) {
  const auto bytes = encode_model(test_model().data());
  const auto loaded = IntentModel::load(bytes);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->version(), test_model().version());
  EXPECT_TRUE(encode_model(loaded->data()) == bytes);  // not EXPECT_EQ: it would print both
  for (const auto& example : test_dataset().examples) {
    const auto a = test_model().predict(example.text);
    const auto b = loaded->predict(example.text);
    EXPECT_EQ(a.intent, b.intent);
    EXPECT_EQ(a.confidence, b.confidence);
    EXPECT_EQ(a.out_of_scope, b.out_of_scope);
    EXPECT_EQ(a.route, b.route);
  }
}

TEST(IntentModel, KeepsTheRuleOfItsConfidence) {
  auto data = test_model().data();
  for (const bool lines : {true, false}) {
    data.calibration.confidence = {{{.from = 0.25, .mean = 0.5, .right = 0.75}}, lines};
    const auto read = decode_model(encode_model(data));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->calibration.confidence.lines, lines);
    ASSERT_EQ(read->calibration.confidence.levels.size(), 1U);
    EXPECT_EQ(read->calibration.confidence.levels[0].right, 0.75);
  }
}

TEST(IntentModel, RefusesEveryChangedByte) {
  const auto bytes = encode_model(test_model().data());
  const std::size_t stride = bytes.size() / 97 + 1;
  for (std::size_t at = 0; at < bytes.size(); at += at < 256 ? 1 : stride) {
    auto changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    const auto loaded = IntentModel::load(changed);
    ASSERT_FALSE(loaded) << "byte " << at;
    EXPECT_FALSE(loaded.error().detail.empty());
  }
}

TEST(IntentModel, RefusesEveryCutFile) {
  const auto bytes = encode_model(test_model().data());
  for (std::size_t size = 0; size < bytes.size(); size += size < 80 ? 1 : bytes.size() / 53) {
    EXPECT_FALSE(IntentModel::load(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(IntentModel::load(bytes + "x"));
}

TEST(IntentModel, SaysWhichVersionItCannotRead) {
  auto bytes = encode_model(test_model().data());
  bytes[8] = 7;
  const auto loaded = IntentModel::load(bytes);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::unsupported);
  EXPECT_NE(loaded.error().detail.find("version 7"), std::string::npos) << loaded.error().detail;
}

// With a right checksum anything may stand inside: it is refused, or it is a model whose every prediction is in range.
TEST(IntentModel, ForgedFilesAreRefusedOrHarmless) {
  const auto bytes = encode_model(test_model().data());
  std::size_t loaded_count = 0;
  const std::size_t stride = bytes.size() / 199 + 1;
  for (std::size_t at = 52; at < bytes.size(); at += at < 1500 ? 7 : stride) {
    for (const char value : {'\x00', '\xff', '9', '"'}) {
      auto changed = bytes;
      changed[at] = value;
      const auto loaded = IntentModel::load(reseal(std::move(changed)));
      if (!loaded) continue;
      ++loaded_count;
      const auto p = loaded->predict("what are your opening hours");
      EXPECT_TRUE(p.confidence >= 0 && p.confidence <= 1) << at;
      EXPECT_TRUE(std::isfinite(p.out_of_scope)) << at;
    }
  }
  EXPECT_GT(loaded_count, 0U) << "the forger's checksum is wrong: this test tests nothing";
}

TEST(IntentModel, NamesAMissingFile) {
  const auto loaded = IntentModel::load_file("/nowhere/at/all.sbm");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::not_found);
  EXPECT_NE(loaded.error().detail.find("/nowhere/at/all.sbm"), std::string::npos);
}

struct Hostile {
  const char* name;
  std::string text;
};

class HostileText : public testing::TestWithParam<Hostile> {};

TEST_P(HostileText, IsAbstainedFromAndNeverScripted) {
  const auto p = test_model().predict(GetParam().text);
  EXPECT_TRUE(p.abstained);
  EXPECT_NE(p.route, AnswerKind::script);
  EXPECT_TRUE(p.confidence >= 0 && p.confidence <= 1);
}

std::string repeated(std::string_view piece, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += piece;
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, HostileText,
    testing::Values(Hostile{"empty", ""}, Hostile{"blanks", " \n\t "}, Hostile{"punctuation", "?!... --"},
                    Hostile{"not_utf8", "opening hours \xff\xfe"},
                    Hostile{"binary", std::string("open\0ing hours", 14)},
                    Hostile{"a_megabyte_of_one_letter", std::string(1 << 20, 'a')},
                    Hostile{"a_megabyte_of_scriptable_text", repeated("what are your opening hours ", 1 << 20)},
                    Hostile{"many_short_words", repeated("a ", 4000)},
                    Hostile{"many_emoji", repeated("\xf0\x9f\x98\x80", 4000)},
                    Hostile{"cut_inside_a_letter", "a" + repeated("\xc3\xa4", 4096)},
                    Hostile{"another_language", "\xd0\xb3\xd0\xb4\xd0\xb5 \xd0\xbc\xd0\xbe\xd1\x8f"}),
    [](const auto& info) { return info.param.name; });

TEST(Features, AreBoundedAndIgnoreCaseAndApostrophes) {
  FeatureConfig config{.word_max = 3, .char_min = 1, .char_max = 8, .skip_pairs = true, .across_words = true};
  auto list = std::make_unique<FeatureList>();
  extract_features(repeated("abcd efgh ", 1 << 20), config, *list);
  EXPECT_LE(list->count, kMaxFeatures);
  EXPECT_TRUE(list->truncated);

  const auto hashes = [&](std::string_view text) {
    extract_features(text, FeatureConfig{}, *list);
    return std::vector<std::uint32_t>(list->hashes.begin(),
                                      list->hashes.begin() + static_cast<std::ptrdiff_t>(list->count));
  };
  EXPECT_EQ(hashes("I don't KNOW"), hashes("i dont know"));
  EXPECT_EQ(hashes("ÜBER 42"), hashes("über 17"));
  EXPECT_NE(hashes("card lost"), hashes("lost card"));
}

}  // namespace
}  // namespace sb::triage
