#include "policy/guards/language.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sb::policy {
namespace {

constexpr std::size_t kReadBytes = 4096;

struct Profile {
  std::string_view language;
  std::string_view words;  ///< the commonest, a blank around each
};

// Function words: short, frequent, and rarely borrowed. Words that two languages share count for both.
constexpr Profile kProfiles[] = {
    {"en",
     " the and of to in is that it for you with on this are was have not be at as but they what can my your from "},
    {"de",
     " der die das und ist nicht ich sie ein eine zu mit den von auf für dem im es auch wie wir sich werden bitte "},
    {"fr", " le la les et est un une des que pour dans pas vous je nous sur avec qui du au ce mais votre mon être "},
    {"es", " el la los las y es un una que en por para no con del se su lo como más mi pero está qué muy "},
    {"it", " il lo la gli e è un una che di per non con del della sono mi si come anche questo vorrei dei alla "},
    {"pt", " o os as e é um uma que de em para não com do da se por mais como mas você meu minha está são "},
    {"nl", " de het een en van is niet ik dat op te voor met zijn je wij ook aan maar deze heb mijn kan u "},
    {"sv", " och att det som en är på av för inte jag med har den till ett om men från kan min du vi "},
    {"da", " og at det som en er på af for ikke jeg med har den til et om men fra kan min du vi hvad "},
    {"no", " og at det som en er på av for ikke jeg med har den til et om men fra kan min du vi hva "},
    {"fi", " ja on ei että se hän oli mutta kun niin tämä ovat minä olen voi mitä jos tai kuin myös minun "},
    {"pl", " i w nie na się jest z do że to jak o ale co czy po za od tak mnie dla proszę moje są "},
    {"cs", " a se na je to v že s z do o jako ale i pro jsem tak by co nebo prosím jsou mi ve "},
    {"ro", " și în nu de la un o care cu pe este din mai pentru sau că sunt ce se vă am meu cum "},
    {"hu", " a az és nem hogy egy is van meg de ez ha csak már mint kell vagy azt én volt ki "},
    {"tr", " ve bir bu için de da ne ile çok var ama gibi daha ben mi en olarak kadar benim değil "},
};

struct Range {
  std::uint32_t first, last;
  std::string_view language;
};
// Scripts that one widespread language stands for.
constexpr Range kScripts[] = {
    {0x0370, 0x03ff, "el"}, {0x0400, 0x04ff, "ru"}, {0x0590, 0x05ff, "he"},
    {0x0600, 0x06ff, "ar"}, {0x0900, 0x097f, "hi"}, {0x0e00, 0x0e7f, "th"},
    {0x3040, 0x30ff, "ja"}, {0x4e00, 0x9fff, "zh"}, {0xac00, 0xd7af, "ko"},
};

// The code point at `at`, which moves on; invalid bytes are skipped as U+FFFD.
std::uint32_t next_char(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])) : 0U;
  };
  const std::uint32_t lead = byte(at++);
  const int more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  if (lead < 0x80) return lead;
  if (more == 0) return 0xfffd;
  std::uint32_t code = lead & (0x3fU >> more);
  for (int i = 0; i < more; ++i) {
    if ((byte(at) & 0xc0) != 0x80) return 0xfffd;
    code = code << 6 | (byte(at++) & 0x3f);
  }
  return code;
}

// The script that at least a third of the letters are in; empty: Latin, or mixed. Japanese is known by its kana.
std::string_view script_language(std::string_view text) {
  std::array<std::size_t, std::size(kScripts)> counts{};
  std::size_t letters = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto code = next_char(text, at);
    const bool latin = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= 0xc0 && code < 0x250);
    letters += latin;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const bool in = code >= kScripts[i].first && code <= kScripts[i].last;
      counts[i] += in;
      letters += in;
    }
  }
  const auto most = std::ranges::max_element(counts);
  if (*most < 4 || *most * 3 < letters) return {};
  const auto kana = std::ranges::find(kScripts, std::string_view("ja"), &Range::language) - std::begin(kScripts);
  if (kScripts[most - counts.begin()].language == "zh" && counts[static_cast<std::size_t>(kana)] > 0) return "ja";
  return kScripts[most - counts.begin()].language;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    if (byte >= 'A' && byte <= 'Z') out[i] = static_cast<char>(byte + 32);
    // U+00C0..U+00DE: the capitals of Latin-1.
    if (byte == 0xc3 && i + 1 < out.size() && static_cast<unsigned char>(out[i + 1]) < 0x9f)
      out[i + 1] = static_cast<char>(static_cast<unsigned char>(out[i + 1]) + 0x20);
  }
  return out;
}

}  // namespace

std::string_view language_of(std::string_view text) {
  text = text.substr(0, kReadBytes);
  if (const auto script = script_language(text); !script.empty()) return script;
  const std::string words = lower(text);
  std::array<std::size_t, std::size(kProfiles)> hits{};
  std::size_t count = 0;
  for (std::size_t at = 0; at < words.size();) {
    constexpr std::string_view kBetween = " \t\r\n.,;:!?\"()[]{}<>/\\'";
    const auto begin = words.find_first_not_of(kBetween, at);
    if (begin == std::string::npos) break;
    at = std::min(words.find_first_of(kBetween, begin), words.size());
    const std::string spaced = " " + words.substr(begin, at - begin) + " ";
    ++count;
    for (std::size_t i = 0; i < hits.size(); ++i) hits[i] += kProfiles[i].words.contains(spaced);
  }
  const auto most = std::ranges::max_element(hits);
  const auto rivals = std::ranges::count_if(hits, [&](std::size_t n) { return n == *most; });
  // A sixth of running text is such words; fewer is a list, code, or another language.
  constexpr std::size_t kLeastHits = 2;
  if (*most < kLeastHits || *most * 6 < count || rivals > 1) return {};
  return kProfiles[most - hits.begin()].language;
}

std::vector<std::string> known_languages() {
  std::vector<std::string> all;
  for (const auto& profile : kProfiles) all.emplace_back(profile.language);
  for (const auto& script : kScripts) all.emplace_back(script.language);
  return all;
}

}  // namespace sb::policy
