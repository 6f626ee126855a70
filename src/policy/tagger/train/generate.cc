#include "policy/tagger/train/generate.h"

#include <algorithm>
#include <array>

#include "policy/tagger/token.h"

namespace sb::policy::tagger {
namespace {

/// Whose names and addresses: the grammar's scope, the lists' country codes and country names.
struct Region {
  std::string_view scope;
  std::string_view codes;
  std::string_view countries;
};
constexpr Region kRegions[] = {
    {"US", "US CA", "United States,Canada"},
    {"GB", "GB IE JE", "United Kingdom,Ireland"},
    {"AU", "AU NZ", "Australia,New Zealand"},
    {"IN", "IN PK NP", "India"},
    {"DE", "DE AT CH LI", "Germany,Austria,Switzerland"},
    {"FR", "FR BE LU", "France,Belgium"},
    {"ES", "ES MX AR CO PE CL VE PY SV PA", "Spain,Mexico,Argentina,Colombia,Chile,Peru"},
    {"IT", "IT SM MT", "Italy"},
    {"NL", "NL BE", "Netherlands,Belgium"},
    {"PL", "PL", "Poland"},
    {"PT", "PT BR", "Portugal,Brazil"},
    {"NO", "NO SE DK FI IS FO GL", "Norway,Sweden,Denmark,Finland,Iceland,Greenland"},
    {"EE", "CZ SK HU RO BG RS HR SI EE LV LT UA", "Czechia,Slovakia,Hungary,Romania,Croatia,Slovenia,Estonia,Latvia"},
    {"GR", "GR CY AL TR", "Greece,Cyprus,Turkey,Albania"},
    {"XX", "AE IR EG JP CN KR VN ZA IL TW PH MY GE AM AZ KZ LY MA ML", "South Africa,Japan,China,Egypt,Iran,Israel"},
};
constexpr std::size_t kRegionCount = std::size(kRegions);

/// A language of sentences: how often, and the region its writers are from most often (kRegionCount: any).
struct Language {
  std::string_view scope;
  int weight;
  std::size_t home;
};
constexpr Language kLanguages[] = {{"en", 60, kRegionCount},
                                   {"de", 7, 4},
                                   {"fr", 7, 5},
                                   {"es", 7, 6},
                                   {"it", 6, 7},
                                   {"nl", 6, 8},
                                   {"pl", 5, 9},
                                   {"pt", 2, 10}};

bool contains_word(std::string_view list, char between, std::string_view word) {
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(between, at), list.size());
    if (list.substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

/// New names that sound like a list's: letters follow the two before them as often as they do there.
class NameMaker {
 public:
  explicit NameMaker(const std::vector<std::string>& names) {
    for (const auto& name : names) {
      const auto letters = characters(name);
      std::string a = "^", b = "^";
      for (const auto& letter : letters) {
        next_[a + b].push_back(letter);
        a = b, b = letter;
      }
      next_[a + b].emplace_back("$");
    }
  }

  std::string make(Random& random) const {
    std::string out;
    std::string a = "^", b = "^";
    for (std::size_t length = 0; length < 14; ++length) {
      const auto& follow = next_.at(a + b);
      std::string letter = random.pick_from(follow);
      // Too short to end here: another way on, where there is one.
      if (letter == "$" && length < 4) {
        const auto other = std::ranges::find_if(follow, [](const auto& l) { return l != "$"; });
        if (other == follow.end()) break;
        letter = *other;
      }
      if (letter == "$") break;
      out += letter;
      a = b, b = letter;
    }
    return out;
  }

 private:
  static std::vector<std::string> characters(std::string_view text) {
    std::vector<std::string> out;
    for (const char c : text) {
      if ((static_cast<unsigned char>(c) & 0xc0) == 0x80 && !out.empty()) {
        out.back() += c;
      } else {
        out.emplace_back(1, c);
      }
    }
    return out;
  }

  std::map<std::string, std::vector<std::string>, std::less<>> next_;
};

struct Pool {
  std::vector<std::string> forenames, surnames, cities;
  NameMaker forename_maker, surname_maker, city_maker;

  Pool(std::vector<std::string> f, std::vector<std::string> s, std::vector<std::string> c)
      : forenames(std::move(f)),
        surnames(std::move(s)),
        cities(std::move(c)),
        forename_maker(forenames),
        surname_maker(surnames),
        city_maker(cities) {}
};

// Latin, Greek and Cyrillic names; the lists have few others, and tokens of scripts without case tell little.
std::vector<std::string> names_of(const std::vector<NameLists::Entry>& list, const Region& region, bool by_code) {
  std::vector<std::string> out;
  for (const auto& entry : list) {
    const bool here = std::ranges::any_of(entry.countries, [&](const auto& country) {
      return by_code ? contains_word(region.codes, ' ', country) : contains_word(region.countries, ',', country);
    });
    if (here) out.push_back(entry.name);
  }
  return out;
}

class Writer {
 public:
  Writer(const Grammar& grammar, const NameLists& names, std::uint64_t seed)
      : grammar_(grammar), names_(names), random_(seed) {
    for (const auto& region : kRegions) {
      pools_.emplace_back(names_of(names.forenames, region, true), names_of(names.surnames, region, true),
                          names_of(names.cities, region, false));
    }
  }

  Document write() {
    const Language& language = pick_language();
    const bool at_home = language.home < kRegionCount && random_.chance(0.75);
    region_ = at_home ? language.home : random_.below(kRegionCount);
    const std::vector<std::string> scopes = {std::string(language.scope), std::string(kRegions[region_].scope),
                                             region_ + 1 == kRegionCount ? "US" : "*"};
    return grammar_.expand("text", scopes, [&](std::string_view symbol) { return value(symbol); }, random_);
  }

 private:
  const Language& pick_language() {
    int total = 0;
    for (const auto& language : kLanguages) total += language.weight;
    auto left = static_cast<int>(random_.below(static_cast<std::size_t>(total)));
    for (const auto& language : kLanguages) {
      if ((left -= language.weight) < 0) return language;
    }
    return kLanguages[0];
  }

  // Of this region's list, of any list, or new.
  std::string name(const std::vector<NameLists::Entry>& all, const std::vector<std::string>& here,
                   const NameMaker& maker, double new_share) {
    if (here.empty() || random_.chance(0.15)) return random_.pick_from(all).name;
    return random_.chance(new_share) ? maker.make(random_) : random_.pick_from(here);
  }

  std::string value(std::string_view symbol) {
    const Pool& pool = pools_[region_];
    if (symbol == "first") return capitalised(name(names_.forenames, pool.forenames, pool.forename_maker, 0.35));
    if (symbol == "last") return capitalised(name(names_.surnames, pool.surnames, pool.surname_maker, 0.5));
    if (symbol == "city") return capitalised(name(names_.cities, pool.cities, pool.city_maker, 0.2));
    if (symbol == "country") return random_.pick_from(names_.countries_as_written);
    return {};
  }

  const Grammar& grammar_;
  const NameLists& names_;
  Random random_;
  std::vector<Pool> pools_;
  std::size_t region_ = 0;
};

}  // namespace

std::vector<Document> generate(const Grammar& grammar, const NameLists& names, std::size_t count, std::uint64_t seed) {
  Writer writer(grammar, names, seed);
  std::vector<Document> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(writer.write());
  return out;
}

}  // namespace sb::policy::tagger
