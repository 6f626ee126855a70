#include "audit/verify_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "audit/proof.h"
#include "audit/publisher.h"
#include "store/sqlite/codec.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

using store::testing::TemporaryFolder;

const NoteSigner& log_signer() {
  static const NoteSigner one("log.example/test", *SigningKey::from_seed(std::string(32, 's')));
  return one;
}
const RunId& run_id() {
  static const RunId id = store::testing::new_run_id();
  return id;
}

std::string logged_leaf(std::uint64_t index) {
  const std::string kind = index == 0 ? "run.start" : "x";
  return "{\"kind\":\"" + kind + "\",\"run\":\"" + run_id().to_string() + "\",\"seq\":" + std::to_string(index) +
         ",\"time\":1}";
}

class PublishedLog : public ::testing::Test {
 protected:
  // A log of `size` leaves under `folder_`, published in two steps so that there are partial tiles of an older size.
  void publish(std::uint64_t size) {
    Publisher publisher(log_signer(), TileEdge(), *TileFiles::open(folder_.path()), {});
    add(publisher, 0, size / 2);
    if (const auto half = publisher.head(size / 2)) half_ = half->note;
    add(publisher, size / 2, size);
    if (size > 0) ASSERT_EQ(publisher.head(size)->size, size);
  }
  static void add(Publisher& publisher, std::uint64_t begin, std::uint64_t end) {
    std::string bundle;
    for (std::uint64_t i = begin; i < end; ++i) store::sqlite::append_leaf(bundle, logged_leaf(i));
    if (!bundle.empty()) publisher.add(std::move(bundle));
  }
  LogReport verify(LogVerification how = {}) {
    auto source = open_log_source(folder_.path());
    EXPECT_TRUE(source) << source.error().detail;
    auto report = verify_log(**source, log_signer().verifier(), how);
    EXPECT_TRUE(report) << report.error().detail;
    return report ? *report : LogReport();
  }
  std::string file(const std::string& path) {
    std::ifstream in(folder_.file(path), std::ios::binary);
    EXPECT_TRUE(in) << path;
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void write(const std::string& path, std::string_view bytes) {
    std::ofstream(folder_.file(path), std::ios::binary | std::ios::trunc) << bytes;
  }

  TemporaryFolder folder_;
  std::string half_;
};

TEST_F(PublishedLog, VerifiesAsAWholeAndSinceAKeptTreeHead) {
  publish(1'500);
  const LogReport whole = verify();
  EXPECT_TRUE(whole.ok()) << whole.problems.front();
  EXPECT_EQ(whole.checked, 1'500U);
  EXPECT_EQ(whole.tiles, 5U + 1 + 1);
  const LogReport since = verify({half_, true});
  EXPECT_TRUE(since.ok()) << since.problems.front();
  EXPECT_EQ(since.checked, 1'500U - 512U) << "from the last full tile before the kept tree head";
  EXPECT_TRUE(verify({whole.head, true}).ok());
  EXPECT_TRUE(verify({half_, false}).ok());
}

TEST_F(PublishedLog, OfAnySizeVerifies) {
  for (const std::uint64_t size : {0, 1, 2, 255, 256, 257, 511, 512, 513}) {
    std::filesystem::remove_all(folder_.path());
    publish(size);
    const LogReport report = verify();
    EXPECT_TRUE(report.ok()) << size << ": " << report.problems.front();
    EXPECT_EQ(report.leaves, size);
  }
}

struct Harm {
  const char* name;
  void (*act)(std::function<std::string(const std::string&)> read,
              std::function<void(const std::string&, const std::string&)> write);
};
class HarmedLog : public PublishedLog, public ::testing::WithParamInterface<Harm> {};
TEST_P(HarmedLog, IsNoticed) {
  publish(700);
  ASSERT_TRUE(verify().ok());
  GetParam().act([&](const std::string& path) { return file(path); },
                 [&](const std::string& path, const std::string& bytes) {
                   bytes.empty() ? (void)std::filesystem::remove(folder_.file(path)) : write(path, bytes);
                 });
  EXPECT_FALSE(verify().ok());
}
#define SB_HARM(name, body)                                   \
  Harm {                                                      \
    name, []([[maybe_unused]] auto read, auto write) { body } \
  }
INSTANTIATE_TEST_SUITE_P(
    Kinds, HarmedLog,
    ::testing::Values(
        SB_HARM("bit_of_a_leaf", auto b = read("tile/entries/001"); b[40] ^= 1; write("tile/entries/001", b);),
        SB_HARM("bit_of_a_hash", auto b = read("tile/0/001"); b[40] ^= 1; write("tile/0/001", b);),
        SB_HARM("bit_of_an_upper_hash", auto b = read("tile/1/000.p/2"); b[40] ^= 1; write("tile/1/000.p/2", b);),
        SB_HARM("leaf_dropped", auto b = read("tile/entries/000"); std::string_view rest = b;
                (void)store::sqlite::take_leaf(rest); write("tile/entries/000", std::string(rest));),
        SB_HARM("leaves_swapped", auto b = read("tile/entries/000"); std::string_view rest = b;
                const std::string one(*store::sqlite::take_leaf(rest));
                const std::string two(*store::sqlite::take_leaf(rest)); std::string c;
                store::sqlite::append_leaf(c, two); store::sqlite::append_leaf(c, one); c += rest;
                write("tile/entries/000", c);),
        SB_HARM("leaf_added", auto b = read("tile/entries/000"); store::sqlite::append_leaf(b, "{}");
                write("tile/entries/000", b);),
        SB_HARM("bundles_swapped", auto a = read("tile/entries/000"); auto b = read("tile/entries/001");
                write("tile/entries/000", b); write("tile/entries/001", a);),
        SB_HARM("bundle_cut_short", auto b = read("tile/entries/001"); b.resize(b.size() - 9);
                write("tile/entries/001", b);),
        SB_HARM("tile_cut_short", auto b = read("tile/0/001"); b.resize(b.size() - 32); write("tile/0/001", b);),
        SB_HARM("bundle_gone", write("tile/entries/001", "");), SB_HARM("tile_gone", write("tile/0/001", "");),
        SB_HARM("partial_bundle_gone", write("tile/entries/002.p/188", "");),
        SB_HARM("size_in_the_head_changed", auto b = read("checkpoint"); b.replace(b.find("700"), 3, "699");
                write("checkpoint", b);),
        SB_HARM("signature_changed", auto b = read("checkpoint"); b[b.size() - 20] ^= 1; write("checkpoint", b);),
        SB_HARM("head_cut_short", auto b = read("checkpoint"); b.resize(b.size() / 2); write("checkpoint", b);),
        SB_HARM("head_of_another_key",
                const NoteSigner other("log.example/test", *SigningKey::from_seed(std::string(32, 'o')));
                auto b = read("checkpoint"); write("checkpoint", other.sign(b.substr(0, b.find("\n\n") + 1)));)),
    [](const auto& info) { return info.param.name; });

TEST_F(PublishedLog, ARolledBackOrForkedLogDoesNotContinueAKeptTreeHead) {
  publish(700);
  const std::string kept = verify().head;
  write("checkpoint", half_);
  EXPECT_TRUE(verify().ok()) << "the older state is whole in itself";
  EXPECT_FALSE(verify({kept, false}).ok());
  EXPECT_FALSE(verify({kept, true}).ok());
  // A second history under the same key, longer than the one that was promised.
  std::filesystem::remove_all(folder_.path());
  {
    Publisher publisher(log_signer(), TileEdge(), *TileFiles::open(folder_.path()), {});
    add(publisher, 0, 10);
    std::string other;
    store::sqlite::append_leaf(other, R"({"kind":"y","seq":10,"time":1})");
    publisher.add(std::move(other));
    add(publisher, 11, 900);
    ASSERT_EQ(publisher.head(900)->size, 900U);
  }
  EXPECT_TRUE(verify().ok());
  EXPECT_FALSE(verify({kept, false}).ok());
  EXPECT_FALSE(verify({kept, true}).ok());
}

TEST_F(PublishedLog, AProofStandsForItselfAndAnyChangeOfItIsNoticed) {
  publish(700);
  const auto source = open_log_source(folder_.path());
  ProofParts parts;
  parts.subject.id = run_id().to_string();
  parts.checkpoint = file("checkpoint");
  for (const std::uint64_t index : {0ULL, 3ULL, 255ULL, 256ULL, 511ULL, 699ULL})
    parts.leaves.emplace_back(index, logged_leaf(index));
  const auto proof = make_proof(**source, log_signer().verifier(), parts);
  ASSERT_TRUE(proof) << proof.error().detail;
  const std::string text = to_text(*proof);
  const auto good = verify_proof(text, log_signer().verifier());
  ASSERT_TRUE(good) << good.error().detail;
  EXPECT_TRUE(good->ok()) << good->problems.front();
  EXPECT_EQ(good->indices.size(), 6U);
  EXPECT_FALSE(verify_proof(text.substr(0, text.size() - 10), log_signer().verifier()));
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    const auto report = verify_proof(other, log_signer().verifier());
    return !report || !report->ok();
  };
  EXPECT_TRUE(changed("\"index\":3", "\"index\":4"));
  parts.leaves.erase(parts.leaves.begin());
  const auto without_start =
      verify_proof(to_text(*make_proof(**source, log_signer().verifier(), parts)), log_signer().verifier());
  ASSERT_EQ(without_start->problems.size(), 1U);
  EXPECT_EQ(without_start->problems[0], "the run's start is not among its leaves");
  EXPECT_TRUE(changed("\\\"kind\\\":\\\"x\\\"", "\\\"kind\\\":\\\"y\\\""));
  EXPECT_TRUE(changed("\"proof\":[", "\"proof\":[\"AAAA\","));
  EXPECT_TRUE(changed("log.example/test\\n700", "log.example/test\\n701"));
  const NoteVerifier other("log.example/test", SigningKey::from_seed(std::string(32, 'o'))->public_key());
  EXPECT_FALSE(verify_proof(text, other)->ok());
}

TEST_F(PublishedLog, AProofOfAnErasureHasItsOrderAndEachRun) {
  const std::string id = store::testing::new_run_id().to_string();
  const auto leaf = [&](std::uint64_t index, std::string_view kind, std::string_view summary) {
    const std::string run = kind == "run.erased" ? "\"run\":\"" + store::testing::new_run_id().to_string() + "\"," : "";
    return fmt::format(R"({{"kind":"{}",{}"seq":{},"summary":{},"time":1}})", kind, run, index, summary);
  };
  const std::vector<std::string> leaves = {leaf(0, "erasure", fmt::format(R"({{"erasure":"{}","runs":2}})", id)),
                                           leaf(1, "run.erased", fmt::format(R"({{"erasure":"{}"}})", id)),
                                           leaf(2, "run.erased", fmt::format(R"({{"erasure":"{}"}})", id)),
                                           leaf(3, "run.erased", R"({"erasure":"another"})")};
  Publisher publisher(log_signer(), TileEdge(), *TileFiles::open(folder_.path()), {});
  std::string bundle;
  for (const std::string& text : leaves) store::sqlite::append_leaf(bundle, text);
  publisher.add(std::move(bundle));
  ASSERT_EQ(publisher.head(4)->size, 4U);
  const auto source = open_log_source(folder_.path());
  const auto proved = [&](const std::vector<std::uint64_t>& indices) {
    ProofParts parts{{true, id}, file("checkpoint"), {}, {}};
    for (const std::uint64_t index : indices) parts.leaves.emplace_back(index, leaves[index]);
    return *verify_proof(to_text(*make_proof(**source, log_signer().verifier(), parts)), log_signer().verifier());
  };
  const ProofReport whole = proved({0, 1, 2});
  EXPECT_TRUE(whole.ok()) << whole.problems.front();
  EXPECT_EQ(whole.runs_erased, 2U);
  EXPECT_EQ(proved({0, 1}).problems.at(0), "it has the erasure of 2 runs, and 1 leaves of erased runs");
  EXPECT_EQ(proved({0, 1, 2, 3}).problems.at(0), "leaf 3: is of another erasure");
  EXPECT_TRUE(whole.ended);
}

TEST_F(PublishedLog, AProofOfAnErasureOfSeveralBatchesHasThemAll) {
  const std::string id = store::testing::new_run_id().to_string();
  std::string bundle;
  std::vector<std::string> leaves;
  for (std::uint64_t batch = 0; batch < 3; ++batch) {
    leaves.push_back(fmt::format(R"({{"kind":"erasure","seq":{},"summary":{{"erasure":"{}",{}"runs":1{}}},"time":1}})",
                                 2 * batch, id, batch < 2 ? "\"more\":true," : "",
                                 batch > 0 ? fmt::format(",\"runs_before\":{}", batch) : ""));
    leaves.push_back(fmt::format(R"({{"kind":"run.erased","run":"{}","seq":{},"summary":{{"erasure":"{}"}},"time":1}})",
                                 store::testing::new_run_id().to_string(), 2 * batch + 1, id));
  }
  for (const std::string& text : leaves) store::sqlite::append_leaf(bundle, text);
  Publisher publisher(log_signer(), TileEdge(), *TileFiles::open(folder_.path()), {});
  publisher.add(std::move(bundle));
  ASSERT_EQ(publisher.head(6)->size, 6U);
  const auto source = open_log_source(folder_.path());
  const auto proved = [&](const std::vector<std::uint64_t>& indices) {
    ProofParts parts{{true, id}, file("checkpoint"), {}, {}};
    for (const std::uint64_t index : indices) parts.leaves.emplace_back(index, leaves[index]);
    return *verify_proof(to_text(*make_proof(**source, log_signer().verifier(), parts)), log_signer().verifier());
  };
  EXPECT_TRUE(proved({0, 1, 2, 3, 4, 5}).ended);
  EXPECT_EQ(proved({0, 1, 4, 5}).problems.at(0),
            "leaf 4: does not continue the erasure's leaves before it: one is missing");
  const ProofReport cut = proved({0, 1, 2, 3});
  EXPECT_TRUE(cut.ok()) << cut.problems.front();
  EXPECT_FALSE(cut.ended) << "it says so itself";
}

}  // namespace
}  // namespace sb::audit
