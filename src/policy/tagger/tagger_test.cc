// What the shipped weights know of sentences that no training text holds, and what holds for any weights.
#include "policy/tagger/tagger.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "policy/tagger/tagger_detector.h"

namespace sb::policy::tagger {
namespace {

std::vector<TaggedSpan> spans_of(std::string_view text, std::string_view label = {}) {
  Scratch scratch;
  std::vector<TaggedSpan> out;
  EXPECT_EQ(tag(*shipped_tagger_model(), {text, 0, true, label}, scratch, out), text.size());
  return out;
}

// The winners, leftmost first, as a policy with the usual threshold sees them: "PERSON Ada|LOCATION Rome".
std::string found_in(std::string_view text, std::string_view label = {}, float least = 0.5F) {
  std::string out;
  std::size_t end = 0;
  for (const auto& span : spans_of(text, label)) {
    if (span.score < least || span.span.begin < end || type_of(span.label).empty()) continue;
    end = span.span.end;
    out += fmt::format("{}{} {}", out.empty() ? "" : "|", type_of(span.label),
                       text.substr(span.span.begin, span.span.size()));
  }
  return out;
}

struct Sentence {
  const char* name;
  const char* text;
  const char* found;
};

class Sentences : public testing::TestWithParam<Sentence> {};

TEST_P(Sentences, HaveTheirNamesFound) {
  EXPECT_EQ(found_in(GetParam().text), GetParam().found);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Sentences,
    testing::Values(
        Sentence{"english", "I talked to Martha Okonkwo about it.", "PERSON Martha Okonkwo"},
        Sentence{"lower_case", "hi, my name is peter hallström and i forgot my pin", "PERSON peter hallström"},
        Sentence{"german", "Bitte rufen Sie Annegret Holzapfel zurück.", "PERSON Annegret Holzapfel"},
        Sentence{"french", "Le dossier de Mathilde Garnier est complet.", "PERSON Mathilde Garnier"},
        Sentence{"spanish", "Hablé con Lucía Fernández sobre la reserva.", "PERSON Lucía Fernández"},
        Sentence{"json_value", R"({"name": "Chukwuemeka Adeyemi", "points": 12})", "PERSON Chukwuemeka Adeyemi"},
        Sentence{"address_german", "Die Lieferung geht an Rosenweg 14, 20144 Hamburg.",
                 "LOCATION Rosenweg 14, 20144 Hamburg"},
        Sentence{"address_american", "Send it to 48 Willow Lane, Dayton, OH 45402 please.",
                 "LOCATION 48 Willow Lane, Dayton, OH 45402"},
        // The last word that is seen may go on to an '@' where it is the first alone.
        Sentence{"address_to_the_end_of_sight",
                 "Please send it to 48120 Lindenhofer Str. 17 Suite 204 Altenbrunn Sachsen-Anhalt",
                 "LOCATION 48120 Lindenhofer Str. 17 Suite 204 Altenbrunn Sachsen|LOCATION Anhalt"},
        Sentence{"no_serial", "National insurance AB123456C", "ORGANIZATION National insurance"},
        Sentence{"before_an_address", "Ask Eva Huber eva.huber@pages.org or call Tom Weiss tom@pages.org.",
                 "PERSON Eva Huber|PERSON Tom Weiss"},
        Sentence{"address_alone", "José ann@pages.org", "PERSON José"},
        Sentence{"city", "The conference takes place in Lisbon this year.", "LOCATION Lisbon"}),
    [](const auto& info) { return info.param.name; });

class CleanTexts : public testing::TestWithParam<Sentence> {};

TEST_P(CleanTexts, HaveNothingFound) {
  EXPECT_EQ(found_in(GetParam().text), "");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CleanTexts,
    testing::Values(
        Sentence{"question", "how long does the refund take and where do i see it?", ""},
        Sentence{"heading", "Terms and Conditions of Sale", ""},
        Sentence{"stack_trace", "    at com.acme.billing.InvoiceService.render(InvoiceService.java:214)", ""},
        Sentence{"shell", "$ docker compose up -d --build && kubectl rollout status deploy/api", ""},
        Sentence{"python", "def parse_header(self, first_name, last_name=None):\n    return first_name or last_name",
                 ""},
        Sentence{"sql", "SELECT city_id, COUNT(*) FROM orders GROUP BY city_id HAVING COUNT(*) > 3;", ""},
        Sentence{"log", "2024-05-03 10:22:11 ERROR [worker-3] QueueConsumer - retry 4 of 5 failed", ""}),
    [](const auto& info) { return info.param.name; });

TEST(Tagger, ReadsTheKeyOfAJsonValue) {
  const auto person_score = [](std::string_view key) {
    for (const auto& span : spans_of("Brook Summers", key)) {
      if (span.label == Label::person) return span.score;
    }
    return 0.0F;
  };
  EXPECT_GT(person_score("customerName"), person_score("season") + 0.1F);
}

TEST(Tagger, LeavesMailboxesToWhoFindsThemWhole) {
  EXPECT_EQ(found_in("write to peter.hallström-berg@post.example today"), "");
}

TEST(Tagger, ScoresAreProbabilities) {
  for (const auto& span : spans_of("Ms Ida Brandt of Kessler Logistics GmbH, Prague, wrote to Jon.")) {
    EXPECT_GT(span.score, 0);
    EXPECT_LT(span.score, 1);
  }
}

// Random texts that are dense in what makes decisions hard: names, numbers, marks, long words, halves of characters.
std::string hard_text(std::mt19937& random, std::size_t size) {
  static constexpr std::string_view kParts[] = {
      "Anna ", "Müller", ", ", "\n",  "12 ",    "Rue de Łódź", ": ", "\"name\"", "-", "(",    "日本", " ",
      "    ",  "x_y",    "@",  "'s ", "Berlin", "the quick",   ". ", "\t",       "é", "GmbH", "9",    "<b>"};
  std::string out;
  while (out.size() < size) {
    const auto pick = random() % 40;
    if (pick < std::size(kParts)) {
      out += kParts[pick];
    } else if (pick == 30) {
      out += static_cast<char>(random() % 256);
    } else if (pick == 31) {
      out.append(random() % 90, 'k');
    } else if (pick == 32) {
      out.append(random() % 90, ' ');
    } else {
      out += kParts[random() % std::size(kParts)];
    }
  }
  return out;
}

std::vector<TaggedSpan> cut_at(std::string_view text, std::size_t cut, std::size_t context) {
  Scratch scratch;
  std::vector<TaggedSpan> out;
  const auto& model = *shipped_tagger_model();
  const std::size_t decided = tag(model, {text.substr(0, cut), 0, false, {}}, scratch, out);
  EXPECT_LE(decided, cut);
  EXPECT_LE(cut, decided + kSightBytes);
  std::erase_if(out, [&](const auto& span) { return span.span.begin >= decided; });
  const std::size_t drop = decided < context ? 0 : decided - context;
  std::vector<TaggedSpan> rest;
  tag(model, {text.substr(drop), decided - drop, true, {}}, scratch, rest);
  for (auto& span : rest) span.span.begin += drop, span.span.end += drop, out.push_back(span);
  return out;
}

void expect_same(const std::vector<TaggedSpan>& a, const std::vector<TaggedSpan>& b, std::string_view what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].span, b[i].span) << what;
    ASSERT_EQ(a[i].label, b[i].label) << what;
    ASSERT_EQ(a[i].score, b[i].score) << what;
  }
}

TEST(Tagger, SaysTheSameHoweverTheTextIsCut) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    const std::string text = hard_text(random, 330);
    const auto whole = spans_of(text);
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
      expect_same(cut_at(text, cut, 2 * kSightBytes), whole, fmt::format("round {} cut {}", round, cut));
  }
}

TEST(Tagger, ReadsLongTextsInSlicesAsOne) {
  std::mt19937 random(11);
  const std::string text = hard_text(random, 9000);
  const auto whole = spans_of(text);
  for (const std::size_t cut : {1000U, 2048U, 4097U, 8999U})
    expect_same(cut_at(text, cut, 4 * kSightBytes), whole, fmt::format("cut {}", cut));
}

TEST(Tagger, FindsLongAddressesInPiecesThatMeet) {
  const std::string text =
      "Ship to 1208 North Kensington Boulevard, Building 14, Suite 1102, Minneapolis, MN 55401, USA today";
  std::size_t end = 0;
  std::size_t covered = 0;
  for (const auto& span : spans_of(text)) {
    if (span.score < 0.5F || span.span.begin < end) continue;
    EXPECT_EQ(type_of(span.label), "LOCATION");
    end = span.span.end;
    covered += span.span.size();
  }
  EXPECT_GT(covered, 70U);
}

}  // namespace
}  // namespace sb::policy::tagger
