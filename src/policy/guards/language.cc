#include "policy/guards/language.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>

#include "base/bytes.h"
#include "policy/utf16.h"

namespace sb::policy {
namespace {

constexpr std::size_t kPassageBytes = 512;
constexpr std::size_t kMostPassages = 128;  // 64 KiB in all
constexpr std::size_t kMostLanguages = 32;  // of profiles: one bit each

struct Profile {
  std::string_view language;
  std::string_view words;    ///< the commonest, a blank behind each
  std::string_view letters;  ///< that few others write
};

// Function words: short, frequent, and rarely borrowed. What languages share counts for each of them, and less.
constexpr Profile kProfiles[] = {
    {"en",
     "the and of to in is that it for you with on this are was have not be at as but they what can my your "
     "from i we he she our us if there will would could should do does did has had been or an how when "
     "where which who why about please want need know tell into after before more some any than then me "
     "him her their its by all so out up just like get no yes thanks hello ",
     ""},
    {"de",
     "der die das und ist nicht ich sie ein eine zu mit den von auf für dem im es auch wie wir sich "
     "werden bitte des einen einer einem er du mir mich dir dich mein meine meinen meiner ihr ihre ihren "
     "uns unsere was wenn dass oder aber noch nur schon sehr kann können möchte wird wurde haben habe "
     "hat hatte sind war bei nach aus über unter vor bis als am vom zum zur kein keine mehr man so danke "
     "hallo ja nein wo wer warum wann sein ",
     "äöüß"},
    {"fr",
     "à le la les et est un une des que pour dans pas vous je nous sur avec qui du au ce mais votre mon "
     "être de en il elle ils elles on ne se sa son ses leur leurs nos notre vos ma mes moi te tu toi l d "
     "j qu n s c m y aux cette ces cet comme plus où quand comment pourquoi quel quelle sont suis sommes "
     "êtes avez avons ont ai a avant après sans sous par bien très peut peux pouvez voudrais veux merci "
     "bonjour ou si tout tous fait faire dont aussi ",
     "àâçèéêëîïôœùû"},
    {"es",
     "el la los las y es un una que en por para no con del se su lo como más mi pero está qué muy de al "
     "a me te le les nos sus mis tu tus este esta esto ese esa eso estos estas son soy eres estoy están "
     "fue ser hay ha he han cuando donde cómo cuál quién porque si sí o e u ya también sin sobre "
     "entre hasta desde antes después todo toda todos todas quiero puedo puede necesito deseo quisiera "
     "favor gracias hola yo él ella nosotros usted ustedes tengo tiene hacer dos uno solo "
     "sólo puede pueden debe deben ",
     "áéíñóú"},
    {"it",
     "il lo la gli e è un una che di per non con del della sono mi si come anche questo vorrei dei alla "
     "le i l in a da su al ai alle dal dalla nel nella nei sul sulla dell all nell ma o se più mio mia "
     "miei tuo suo sua nostro loro lui lei noi voi io tu ti ci vi ne ho hai ha abbiamo hanno essere era "
     "stato quando dove perché cosa chi quale questa questi quello quella tutto tutti molto prima dopo "
     "senza posso può grazie ciao degli delle ",
     "àèéìòù"},
    {"pt",
     "o os as e é um uma que de em para não com do da se por mais como mas você meu minha está são a "
     "ao à aos às no na nos nas dos das pelo pela num numa me te lhe eu ele ela nós eles elas seu sua "
     "seus suas meus minhas este esta isto esse essa isso foi ser há tem tenho estou quando onde porque "
     "quem qual ou também já muito sem sobre até antes depois todo toda todos todas quero posso pode "
     "preciso gostaria obrigado obrigada olá sim ",
     "áâãàçéêíóôõú"},
    {"nl",
     "de het een en van is niet ik dat op te voor met zijn je wij ook aan maar deze heb mijn kan u in er "
     "om bij door naar uit over als dan dit die was wordt worden hebben heeft had wil graag weten hoe wat "
     "wie waar wanneer waarom welke nog al geen meer zo we hij zij ze hun ons onze jouw uw jullie mij me "
     "zou kunnen moet moeten of want toen tot na zonder tegen onder tussen alstublieft bedankt hallo ja "
     "nee veel ",
     "ëï"},
    {"sv",
     "och att det som en är på av för inte jag med har den till ett om men från kan min du vi i de vid "
     "så hur vad var när eller ut upp över under efter före utan mot mitt mina din ditt han hon dem "
     "oss er vill veta skulle ska blir bli varit hade detta denna dessa mycket mer alla finns tack hej ja "
     "nej sig ",
     "äåö"},
    {"da",
     "og at det som en er på af for ikke jeg med har den til et om men fra kan min du vi hvad i de der "
     "var så hvor hvordan hvornår hvorfor eller ud op over under efter før uden mod mit mine din dit "
     "han hun dem os vil gerne vide skal skulle bliver blev blevet været havde dette denne disse meget "
     "mere alle findes tak hej ja nej sig nogle noget ",
     "æøå"},
    {"no",
     "og at det som en er på av for ikke jeg med har den til et om men fra kan min du vi hva i de var så "
     "hvor hvordan når hvorfor eller ut opp over under etter før uten mot mitt mine din ditt han hun dem "
     "oss vil gjerne vite skal skulle blir ble blitt vært hadde dette denne disse mye mer alle finnes "
     "takk hei ja nei seg noen noe ",
     "æøå"},
    {"fi",
     "ja on ei että se hän oli mutta kun niin tämä ovat minä olen voi mitä jos tai kuin myös minun "
     "sen ne he me te sinä ole en olla olisi miten missä milloin miksi kuka mikä joka jotka jonka vain "
     "jo nyt sitten ennen jälkeen ilman kanssa haluan haluaisin voin voinko pitää kaikki hyvin kiitos "
     "hei kyllä sinun hänen tässä siitä ",
     "äö"},
    {"pl",
     "i w nie na się jest z do że to jak o ale co czy po za od tak mnie dla proszę moje są a ze we "
     "przez przed pod nad przy bez oraz lub albo ten ta te tego tej tym tych był była było być będzie "
     "mam ma masz mój moja mi ja ty on ona my wy oni ich jego jej go mu kiedy gdzie dlaczego kto który "
     "która które już jeszcze tylko bardzo więcej chcę chciałbym mogę może dziękuję dzień dobry "
     "jako też aby żeby ",
     "ąćęłńóśźż"},
    {"cs",
     "a se na je to v že s z do o jako ale i pro jsem tak by co nebo prosím jsou mi ve k ke od po za "
     "při před pod nad bez ten ta tento tato byl byla bylo být bude mám má můj moje já ty on ona my "
     "vy oni jejich jeho její si kdy kde jak proč kdo který která které už ještě jen velmi více "
     "chci mohu může děkuji dobrý den také aby když své ",
     "áčďéěíňóřšťúůýž"},
    {"ro",
     "și în nu de la un o care cu pe este din mai pentru sau că sunt ce se vă am meu cum a al ale ai "
     "cel cea cei să fi fost era are au eu tu el ea noi voi ei lor lui mea mei mele tău dacă când unde "
     "cine foarte tot toate după înainte fără sub peste prin până între doar deja vreau pot poate "
     "doresc aș mulțumesc bună da acest această aceste ",
     "ăâîșțşţ"},
    {"hu",
     "a az és nem hogy egy is van meg de ez ha csak már mint kell vagy azt én volt ki ezt el fel be le "
     "mi ti ők te ő sem még most akkor amikor hol hogyan miért mikor mit melyik aki ami amely minden "
     "nagyon több szeretnék szeretném kérem köszönöm tudni lehet lesz lett után előtt nélkül "
     "alatt között vele neki nekem igen szia jó napot ",
     "áéíóöőúüű"},
    {"tr",
     "ve bir bu için de da ne ile çok var ama gibi daha ben mi en olarak kadar benim değil o şu biz "
     "siz sen onlar bana sana ona bizim sizin senin onun beni seni mı mu mü nasıl nerede neden kim "
     "hangi her bazı tüm bütün sonra önce göre karşı doğru olan oldu olur olması yok ya hem ise "
     "ki çünkü eğer veya istiyorum lütfen teşekkürler merhaba evet hayır üzere tarafından ",
     "çğıöşü"},
};
static_assert(std::size(kProfiles) <= kMostLanguages);

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

// Small letters of Latin scripts; others stay.
std::uint32_t small_letter(std::uint32_t code) {
  constexpr std::uint32_t kDottedI = 0x130, kWideY = 0x178;
  const auto within = [code](std::uint32_t first, std::uint32_t last) { return code >= first && code <= last; };
  if (within('A', 'Z') || (within(0xc0, 0xde) && code != 0xd7)) return code + 32;
  if (code == kDottedI) return 'i';
  if (code == kWideY) return 0xff;
  const bool even_is_capital = within(0x100, 0x137) || within(0x14a, 0x177) || within(0x218, 0x21b);
  const bool odd_is_capital = within(0x139, 0x148) || within(0x179, 0x17e);
  return code + ((even_is_capital && code % 2 == 0) || (odd_is_capital && code % 2 == 1) ? 1 : 0);
}

// What a word or a letter speaks for: a bit for each profile.
using Languages = std::uint32_t;

struct Evidence {
  std::map<std::string, Languages, std::less<>> words;
  std::map<std::uint32_t, Languages> letters;
};

const Evidence& evidence() {
  static const Evidence all = [] {
    Evidence made;
    for (std::size_t i = 0; i < std::size(kProfiles); ++i) {
      const Languages bit = Languages{1} << i;
      for (const auto word : split(kProfiles[i].words, ' ')) {
        if (!word.empty()) made.words[std::string(word)] |= bit;
      }
      for (std::size_t at = 0; at < kProfiles[i].letters.size();)
        made.letters[next_char(kProfiles[i].letters, at)] |= bit;
    }
    return made;
  }();
  return all;
}

/// What the words of a text speak for.
class Votes {
 public:
  void read(std::string_view text) {
    std::string word;
    Languages letters = 0;
    for (std::size_t at = 0; at <= text.size();) {
      const std::uint32_t code = at < text.size() ? small_letter(next_char(text, at)) : (++at, 0);
      if (is_letter(code)) {
        append_utf8(word, code);
        if (const auto found = evidence().letters.find(code); code > 0x7f && found != evidence().letters.end())
          letters = letters == 0 ? found->second : letters & found->second;
      } else if (!word.empty()) {
        add(word, letters);
        word.clear();
        letters = 0;
      }
    }
  }

  // A sixth of running text is such words; fewer is a list, code, or another language. Near the second best nobody can
  // tell: better no word than a wrong one.
  std::string_view decide() const {
    constexpr std::size_t kLeastHits = 2, kLeastShare = 6;
    constexpr double kLeastWeight = 1.2, kLead = 1.5;
    const auto best = static_cast<std::size_t>(std::ranges::max_element(weights_) - weights_.begin());
    double second = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) second = i == best ? second : std::max(second, weights_[i]);
    if (hits_[best] < kLeastHits || hits_[best] * kLeastShare < words_ || weights_[best] < kLeastWeight ||
        weights_[best] < kLead * second)
      return {};
    return kProfiles[best].language;
  }

 private:
  static bool is_letter(std::uint32_t code) {
    const bool is_mark = code == 0xd7 || code == 0xf7 || (code >= 0x2000 && code <= 0x206f) || code == 0xfffd;
    return (code >= 'a' && code <= 'z') || (code >= 0xc0 && !is_mark);
  }

  void add(std::string_view word, Languages letters) {
    ++words_;
    const auto found = evidence().words.find(word);
    const Languages speaks = found != evidence().words.end() ? found->second : letters;
    if (speaks == 0) return;
    const double weight = 1.0 / std::popcount(speaks);
    for (std::size_t i = 0; i < hits_.size(); ++i) {
      if ((speaks >> i & 1) == 0) continue;
      ++hits_[i];
      weights_[i] += weight;
    }
  }

  std::size_t words_ = 0;
  std::array<std::size_t, std::size(kProfiles)> hits_{};
  std::array<double, std::size(kProfiles)> weights_{};
};

// The passage's begin, moved to the next character's.
std::size_t on_character(std::string_view text, std::size_t at) {
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  return at;
}

}  // namespace

std::string_view language_of(std::string_view text) {
  if (const auto script = script_language(text); !script.empty()) return script;
  Votes votes;
  votes.read(text);
  return votes.decide();
}

std::set<std::string_view> languages_in(std::string_view text) {
  std::set<std::string_view> found;
  const auto look = [&](std::size_t begin) {
    begin = on_character(text, begin);
    if (const auto language = language_of(text.substr(begin, kPassageBytes)); !language.empty()) found.insert(language);
  };
  if (text.size() <= kPassageBytes) {
    look(0);
    return found;
  }
  // One behind the other where they reach, else as far apart as they must be; the last ends with the text.
  const std::size_t last = text.size() - kPassageBytes;
  const std::size_t passages = std::min(kMostPassages, last / kPassageBytes + 2);
  for (std::size_t i = 0; i < passages; ++i) look(last * i / (passages - 1));
  return found;
}

std::vector<std::string> known_languages() {
  std::vector<std::string> all;
  for (const auto& profile : kProfiles) all.emplace_back(profile.language);
  for (const auto& script : kScripts) all.emplace_back(script.language);
  return all;
}

}  // namespace sb::policy
