#include "triage/kept_versions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "triage/learn.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

namespace fs = std::filesystem;

class KeptVersionsTest : public testing::Test {
 protected:
  KeptVersionsTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "here" / "models");
    std::ofstream(folder_ / "here" / "models" / "tests.sbm", std::ios::binary) << encode_model(test_model().data());
    write("version: 1\nmodel: models/tests.sbm\nthresholds: {script: 0.5}\nscripts: {hours: opening-hours}\n");
  }
  ~KeptVersionsTest() override { fs::remove_all(folder_); }

  void write(const std::string& yaml) { std::ofstream(document_) << yaml; }
  std::string keep() {
    const auto kept = versions_.keep(document_);
    EXPECT_TRUE(kept) << kept.error().detail;
    EXPECT_TRUE(kept->written) << kept->written.error().detail;
    return kept->id;
  }
  fs::path file_of(const std::string& part) const {
    for (const auto& entry : fs::directory_iterator(folder_ / "kept" / "files")) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      if (bytes.starts_with(part)) return entry.path();
    }
    return {};
  }

  const fs::path folder_ = fs::temp_directory_path() / ("kept-versions-" + std::to_string(::getpid()));
  const std::string document_ = (folder_ / "here" / "triage.yaml").string();
  const KeptVersions versions_{(folder_ / "kept").string()};
};

TEST_F(KeptVersionsTest, DecidesAsBeforeWhenItsFilesAreGone) {
  const auto before = *Router::load(document_);
  const auto id = keep();
  fs::remove_all(folder_ / "here");
  const auto after = versions_.load(id);
  ASSERT_TRUE(after) << after.error().detail;
  EXPECT_EQ((*after)->version(), before->version());
  EXPECT_EQ((*after)->sight(), before->sight());
  int scripts = 0;
  for (const auto& example : test_dataset().examples) {
    const RouteQuery query{.text = example.text, .prompt_bytes = example.text.size()};
    EXPECT_EQ((*after)->route(query).reasons, before->route(query).reasons);
    scripts += before->route(query).route == Route::script;
  }
  EXPECT_GT(scripts, 0) << "else the model decided nothing";
}

TEST_F(KeptVersionsTest, TheSameFilesAreTheSameVersionAndAnyOtherIsAnother) {
  const auto id = keep();
  EXPECT_EQ(keep(), id);
  write("version: 1\nmodel: models/tests.sbm\nthresholds: {script: 0.6}\n");
  const auto other = keep();
  EXPECT_NE(other, id);
  std::ofstream(folder_ / "here" / "models" / "tests.sbm", std::ios::binary) << encode_model([] {
    auto data = test_model().data();
    data.thresholds.script = 0.75;
    return data;
  }());
  EXPECT_NE(keep(), other) << "another model under the same document";
  EXPECT_TRUE(versions_.load(id));
}

TEST_F(KeptVersionsTest, WhatWasDamagedIsWholeAgainOnceItsFilesAreKeptAnew) {
  const auto id = keep();
  for (const auto& damaged : {file_of("version: 1"), folder_ / "kept" / (id + ".json")}) {
    std::ofstream(damaged, std::ios::app) << " ";
    ASSERT_FALSE(versions_.load(id)) << damaged;
    EXPECT_EQ(keep(), id);
    EXPECT_TRUE(versions_.load(id)) << damaged;
  }
}

TEST_F(KeptVersionsTest, WhatIsDamagedOrNotThereIsSaidAndNeverDecides) {
  const auto id = keep();
  EXPECT_EQ(versions_.load("00112233445566778899aabbccddeeff").error().code, Errc::not_found);
  EXPECT_EQ(versions_.load("../here/triage").error().code, Errc::not_found);
  std::ofstream(file_of("version: 1"), std::ios::app) << "generative: {otherwise: human}\n";
  EXPECT_EQ(versions_.load(id).error().code, Errc::corrupt);
  EXPECT_THAT(versions_.load(id).error().detail, testing::HasSubstr("is damaged"));
}

TEST_F(KeptVersionsTest, WhatIsLearntBesideAVersionIsAVersionOfTheSameFiles) {
  const auto id = keep();
  std::vector<LabelledText> parking;
  for (const auto* vehicle : {"car", "van", "bike", "truck", "bus", "boat"})
    parking.push_back({std::string("where can i park my ") + vehicle, "parking"});
  const auto learnt = learn_beside(test_model(), parking, {})->learnt;
  const auto files = [&] {
    const fs::directory_iterator all(folder_ / "kept" / "files");
    return std::distance(begin(all), end(all));
  };
  const auto before = files();
  const auto kept = versions_.keep_learnt(id, encode_learnt(learnt));
  ASSERT_TRUE(kept) << kept.error().detail;
  ASSERT_TRUE(kept->written);
  EXPECT_NE(kept->id, id);
  EXPECT_EQ(files(), before + 1);
  EXPECT_EQ(versions_.keep_learnt(id, encode_learnt(learnt))->id, kept->id);
  EXPECT_EQ(versions_.keep_learnt(kept->id, encode_learnt(learnt))->id, kept->id) << "in place of what was learnt";
  const auto loaded = versions_.load(kept->id);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ((*loaded)->route({.text = "where can i park my car"}).intent, "parking");
  EXPECT_NE((*versions_.load(id))->route({.text = "where can i park my car"}).intent, "parking");
  const auto around = versions_.load_around(kept->id, test_model().with_learnt(learnt).value(), nullptr);
  ASSERT_TRUE(around) << around.error().detail;
  EXPECT_EQ((*around)->sight(), (*loaded)->sight());
  EXPECT_EQ((*around)->version(), (*loaded)->version());
  EXPECT_EQ((*around)->model()->version(), (*loaded)->model()->version());

  EXPECT_EQ(versions_.keep_learnt("nonsense", "x").error().code, Errc::not_found);
  std::ofstream(file_of("SBLEARNT"), std::ios::app) << "x";
  EXPECT_EQ(versions_.load(kept->id).error().code, Errc::corrupt);
  EXPECT_TRUE(versions_.load(id));
}

}  // namespace
}  // namespace sb::triage
