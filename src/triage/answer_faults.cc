#include "triage/answer_faults.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/bytes.h"
#include "triage/answer_checks.h"

namespace sb::triage {
namespace {

// A refusal comes first; further on the same words may be part of advice ("if you cannot ...").
constexpr std::size_t kRefusalWithin = 200;

constexpr std::string_view kRefusals[] = {
    "i can't help", "i cannot help", "i can't assist", "i cannot assist", "i can't provide", "i cannot provide",
    "i can't answer", "i cannot answer", "i can't do that", "i cannot do that", "i can't tell you", "i cannot tell you",
    "i'm unable to", "i am unable to", "i'm not able to", "i am not able to", "i won't be able", "i will not be able",
    "i don't know", "i do not know", "i'm not sure", "i am not sure", "i don't understand", "i do not understand",
    "i don't have access", "i do not have access", "i don't have the ability", "i do not have the ability",
    "i don't have enough", "i do not have enough", "i don't have any information", "i do not have any information",
    "i must decline",
    // German, French, Spanish, Italian
    "kann ich nicht beantworten", "kann ich ihnen nicht", "kann ich dir nicht", "ich kann ihnen nicht",
    "ich kann dir nicht", "das weiß ich nicht", "ich weiß nicht", "je ne peux pas", "je ne sais pas",
    "je ne suis pas en mesure", "no puedo ayudar", "no puedo responder", "no lo sé", "no sé", "non posso aiutar",
    "non posso rispondere", "non lo so"};

// What goes round must be so long to be no list, table or laughter.
constexpr std::size_t kLoopBytes = 60;
constexpr std::size_t kLongestRound = 400;
constexpr std::size_t kSaidAgain = 3;
constexpr std::size_t kSentenceBytes = 16;
constexpr std::size_t kSentenceTimes = 4;

std::string with_plain_apostrophes(std::string_view text) {
  constexpr std::string_view kCurly = "\xe2\x80\x99";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with(kCurly)) {
      out += '\'';
      i += kCurly.size() - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

bool begins_a_word(std::string_view text, std::size_t at) {
  return at == 0 || (!is_letter(text[at - 1]) && text[at - 1] != '\'');
}

// The end is the same again and again: for some length of a round, each byte is the one a round before.
bool ends_in_a_loop(std::string_view text) {
  const std::size_t most = std::min(kLongestRound, text.size() / kSaidAgain);
  for (std::size_t round = 1; round <= most; ++round) {
    const std::size_t wanted = std::max(kLoopBytes, kSaidAgain * round);
    if (text.size() < wanted) return false;
    std::size_t same = round;  // the last round is the same as itself
    while (same < wanted && text[text.size() - 1 - same] == text[text.size() - 1 - same + round]) ++same;
    if (same == wanted && std::ranges::any_of(text.substr(text.size() - round), is_letter)) return true;
  }
  return false;
}

// Without what numbers it in a list.
std::string_view bare(std::string_view sentence) {
  sentence = trim(sentence);
  const auto begin = std::ranges::find_if(sentence, is_letter);
  return sentence.substr(static_cast<std::size_t>(begin - sentence.begin()));
}

bool is_mostly_one_sentence(std::string_view text) {
  std::map<std::string_view, std::size_t> times;
  std::size_t from = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const bool ends = at == text.size() || text[at] == '\n' ||
                      (std::string_view(".!?").find(text[at]) != std::string_view::npos && at + 1 < text.size() &&
                       text[at + 1] == ' ');
    if (!ends) continue;
    const auto sentence = bare(text.substr(from, at - from));
    if (sentence.size() >= kSentenceBytes) ++times[sentence];
    from = at + 1;
  }
  return std::ranges::any_of(times, [&](const auto& one) {
    return one.second >= kSentenceTimes && 2 * one.second * one.first.size() >= text.size();
  });
}

}  // namespace

bool refuses(std::string_view answer) {
  const auto beginning = to_lower(with_plain_apostrophes(trim(answer).substr(0, kRefusalWithin)));
  return std::ranges::any_of(kRefusals, [&](std::string_view phrase) {
    const auto at = beginning.find(phrase);
    return at != beginning.npos && begins_a_word(beginning, at);
  });
}

bool miscalculates(std::string_view answer) {
  Calculation one;
  for (std::size_t from = 0; next_calculation(answer, from, one);) {
    if (!one.agrees()) return true;
  }
  return false;
}

bool repeats_itself(std::string_view answer) {
  const auto text = trim(answer);
  return ends_in_a_loop(text) || is_mostly_one_sentence(text);
}

}  // namespace sb::triage
