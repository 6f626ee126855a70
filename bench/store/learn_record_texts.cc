// Learns the dictionary that steps and leaves are packed under (src/store/sqlite/record_texts.bin) from databases.
//
//   learn_record_texts OUT DATABASE...    OUT is made of these; how short it makes them, and others, is printed
//   learn_record_texts --check FILE DATABASE...
//
// Steps and leaves hold no contents (docs/record.md), but the words of a configuration: give it databases of made-up
// traffic, many kinds, and as few runs as will do of each. A dictionary that databases were packed under never changes:
// a better one gets formats of its own (codec.h).
#include <fmt/format.h>
#include <sqlite3.h>
#include <zdict.h>
#include <zstd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "store/sqlite/codec.h"

namespace {

using namespace sb;
using namespace sb::store::sqlite;

constexpr std::size_t kDictionaryBytes = 16384;
constexpr int kLevel = 1;
constexpr int kMostOfADatabase = 200;  // so that a large one does not speak for all

std::size_t checked(std::size_t size) {
  if (!ZDICT_isError(size)) return size;
  fmt::print(stderr, "cannot learn from these databases: {}\n", ZDICT_getErrorName(size));
  std::exit(1);
}

struct Samples {
  std::vector<std::string> texts;
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& text : texts) sum += text.size();
    return sum;
  }
};

// Drawn over the whole table, the same ones each time.
void take(sqlite3* database, const char* query, bool body, Samples& out) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, query, -1, &statement, nullptr) != SQLITE_OK) return;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    const std::string column(static_cast<const char*>(sqlite3_column_blob(statement, 0)),
                             static_cast<std::size_t>(sqlite3_column_bytes(statement, 0)));
    std::string buffer;
    const auto content = unpack(column, buffer);
    if (!content) continue;
    if (!body) {
      out.texts.emplace_back(*content);
      continue;
    }
    const auto parsed = parse_body(*content);
    if (!parsed || parsed->steps.empty()) continue;
    BodyWriter steps;
    for (const auto step : parsed->steps) {
      if (const auto row = parse_step(step)) steps.step(*row);
    }
    out.texts.push_back(steps.plain().substr(1));
  }
  sqlite3_finalize(statement);
}

Samples samples_of(const std::string& path) {
  Samples out;
  sqlite3* database = nullptr;
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
    const auto some = [](const char* what, const char* order) {
      return fmt::format("SELECT {} ORDER BY ({} * 2654435761) % 4294967296 LIMIT {}", what, order, kMostOfADatabase);
    };
    take(database, some("pack FROM leaves", "first").c_str(), false, out);
    take(database, some("body FROM journal", "no").c_str(), true, out);
  }
  sqlite3_close(database);
  return out;
}

// Hashes, ids and times never come again: kept to their first characters, they leave the dictionary to words.
std::string without_chance(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::size_t kLongest = 7;
  constexpr std::size_t kKept = 2;
  std::string out;
  while (!text.empty()) {
    const std::size_t chance = std::min(text.find_first_not_of(kHex), text.size());
    const bool within_word = chance < text.size() && text[chance] > 'f' && text[chance] <= 'z';  // "default"
    out += text.substr(0, chance > kLongest && !within_word ? kKept : chance);
    const std::size_t rest = std::min(text.substr(chance).find_first_of(kHex), text.size() - chance);
    out += text.substr(chance, rest);
    text.remove_prefix(chance + rest);
  }
  return out;
}

struct Joined {
  std::string bytes;
  std::vector<std::size_t> sizes;
};

Joined join(const Samples& samples, auto change) {
  Joined out;
  for (const auto& text : samples.texts) {
    const std::string changed = change(text);
    out.bytes += changed;
    out.sizes.push_back(changed.size());
  }
  return out;
}

// What is looked back on is learnt without chance, the tables from what there is.
std::string learn(const Samples& samples) {
  const Joined words = join(samples, without_chance);
  std::string learnt(kDictionaryBytes, '\0');
  learnt.resize(checked(ZDICT_trainFromBuffer(learnt.data(), learnt.size(), words.bytes.data(), words.sizes.data(),
                                              static_cast<unsigned>(words.sizes.size()))));
  const std::size_t header = ZDICT_getDictHeaderSize(learnt.data(), learnt.size());
  const Joined all = join(samples, [](const std::string& text) { return text; });
  ZDICT_params_t params{};
  params.compressionLevel = kLevel;
  std::string out(kDictionaryBytes, '\0');
  out.resize(checked(ZDICT_finalizeDictionary(out.data(), out.size(), learnt.data() + header, learnt.size() - header,
                                              all.bytes.data(), all.sizes.data(),
                                              static_cast<unsigned>(all.sizes.size()), params)));
  return out;
}

std::size_t packed_bytes(const Samples& samples, std::string_view dictionary) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CDict* const texts = ZSTD_createCDict(dictionary.data(), dictionary.size(), kLevel);
  std::size_t sum = 0;
  for (const auto& text : samples.texts) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    sum += ZSTD_compress_usingCDict(context, packed.data(), packed.size(), text.data(), text.size(), texts);
  }
  ZSTD_freeCDict(texts);
  ZSTD_freeCCtx(context);
  return sum;
}

void report(const std::string& path, std::string_view dictionary) {
  const Samples samples = samples_of(path);
  if (samples.texts.empty()) return;
  const std::size_t packed = packed_bytes(samples, dictionary);
  fmt::print("{:>8} texts {:>9} bytes {:>8} packed  {:.3f}  {}\n", samples.texts.size(), samples.bytes(), packed,
             static_cast<double>(packed) / static_cast<double>(samples.bytes()), path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 2 || arguments.front() == "--help") {
    fmt::print(
        "learn_record_texts OUT DATABASE...            learns the dictionary of steps and leaves\n"
        "learn_record_texts --check FILE DATABASE...    how short FILE makes what these hold\n");
    return 2;
  }
  const bool check = arguments.front() == "--check";
  const std::string& file = arguments[check ? 1 : 0];
  const std::span<const std::string> databases = std::span(arguments).subspan(check ? 2 : 1);
  std::string dictionary;
  if (check) {
    std::ifstream in(file, std::ios::binary);
    dictionary.assign(std::istreambuf_iterator<char>(in), {});
  } else {
    Samples all;
    for (const auto& path : databases) std::ranges::move(samples_of(path).texts, std::back_inserter(all.texts));
    dictionary = learn(all);
    std::ofstream(file, std::ios::binary) << dictionary;
  }
  if (dictionary.empty()) return 1;
  for (const auto& path : databases) report(path, dictionary);
}
