#include "policy/injection_made.h"

#include <set>

#include "base/json.h"
#include "policy/tagger/train/grammar.h"
#include "policy/tagger/train/random.h"

namespace sb::policy {
namespace {

struct Family {
  std::string_view name;
  bool attack;
};
constexpr Family kFamilies[] = {{"override", true},      {"plain-mind", false},   {"extract", true},
                                {"plain-ask", false},    {"persona", true},       {"plain-role", false},
                                {"authority", true},     {"plain-manual", false}, {"evade", true},
                                {"plain-secure", false}, {"indirect", true},      {"plain-code", false},
                                {"tool", true},          {"plain-rules", false},  {"fake", true},
                                {"plain-table", false},  {"languages", true},     {"plain-ask", false}};
// A family that has hardly anything new to say gives up its turn.
constexpr int kTries = 20;

}  // namespace

Result<std::vector<MadeText>> make_injection_texts(const std::string& grammar, std::size_t count, std::uint64_t seed) {
  tagger::Grammar sentences;
  SB_CHECK(sentences.add(grammar));
  tagger::Random random(seed);
  const auto no_lists = [](std::string_view) { return std::string(); };
  std::set<std::string> seen;
  std::vector<MadeText> made;
  bool some = true;
  while (made.size() < count && some) {
    some = false;
    for (const auto& family : kFamilies) {
      for (int tries = 0; tries < kTries && made.size() < count; ++tries) {
        const std::vector<std::string> scopes = {std::string(family.name)};
        auto text = sentences.expand("text", scopes, no_lists, random).text;
        if (!seen.insert(text).second) continue;
        made.push_back({std::move(text), family.name, family.attack});
        some = true;
        break;
      }
    }
  }
  return made;
}

std::string training_line(const MadeText& made) {
  return to_text(json::object{{"text", made.text},
                              {"intent", made.attack ? "attack" : "plain"},
                              {"route", made.attack ? "human" : "generative"},
                              {"family", made.family}});
}

}  // namespace sb::policy
