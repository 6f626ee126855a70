#include "triage/likeness.h"

#include <fmt/format.h>

#include <fstream>

#include "base/json.h"
#include "triage/kept_words.h"

namespace sb::triage {
namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMaxFileBytes = 64 << 10;
constexpr std::string_view kRemedy = "learn it anew with `signalbox triage likeness`";

double likeness_number(const json::value& document, std::string_view name) {
  const auto* found = find_member(document, name);
  return found && found->is_number() ? found->to_number<double>() : -1;
}

bool is_share(double value) {
  return value >= 0 && value <= 1;
}

}  // namespace

std::string encode_likeness(const LikenessData& data) {
  json::array files;
  for (const auto& file : data.files)
    files.push_back(json::object{{"name", file.name}, {"sha256", file.sha256}, {"rows", file.rows}});
  return to_text(json::object{{"likeness", kVersion},
                              {"kept_words", kKeptWordsVersion},
                              {"encoder", data.encoder},
                              {"threshold", data.threshold},
                              {"promise", json::object{{"wrong_hits", data.wrong_hits},
                                                       {"confidence", data.confidence},
                                                       {"bound", data.bound},
                                                       {"texts", data.texts},
                                                       {"hits", data.hits},
                                                       {"wrong", data.wrong}}},
                              {"files", std::move(files)}}) +
         "\n";
}

Result<LikenessData> decode_likeness(std::string_view text) {
  const auto document = parse_json(text);
  if (!document || !find_member(*document, "likeness"))
    return fail(Errc::corrupt, fmt::format("this is no file of `signalbox triage likeness`: {}", kRemedy));
  if (int_member(*document, "likeness") != kVersion || int_member(*document, "kept_words") != kKeptWordsVersion)
    return fail(Errc::unsupported, fmt::format("it was learnt by another version of Signalbox: {}", kRemedy));
  LikenessData data;
  data.encoder = string_member(*document, "encoder");
  data.threshold = likeness_number(*document, "threshold");
  const auto* promise = find_member(*document, "promise");
  const auto* files = find_member(*document, "files");
  if (data.encoder.empty() || !is_share(data.threshold) || !promise || !files || !files->is_array())
    return fail(Errc::corrupt,
                fmt::format("its encoder, threshold, promise or files are missing or wrong: {}", kRemedy));
  data.wrong_hits = likeness_number(*promise, "wrong_hits");
  data.confidence = likeness_number(*promise, "confidence");
  data.bound = likeness_number(*promise, "bound");
  data.texts = static_cast<std::size_t>(int_member(*promise, "texts"));
  data.hits = static_cast<std::size_t>(int_member(*promise, "hits"));
  data.wrong = static_cast<std::size_t>(int_member(*promise, "wrong"));
  for (const auto& file : files->get_array()) {
    data.files.push_back({std::string(string_member(file, "name")), std::string(string_member(file, "sha256")),
                          static_cast<std::uint64_t>(int_member(file, "rows"))});
  }
  return data;
}

Result<Likeness> Likeness::create(LikenessData data, Encoder encoder) {
  if (data.encoder != encoder.version())
    return fail(Errc::conflict,
                fmt::format("the threshold was learnt with encoder {}, this is encoder {}: nothing is known of its "
                            "vectors; {}",
                            data.encoder, encoder.version(), kRemedy));
  return Likeness(std::move(data), std::move(encoder));
}

Result<LikenessData> load_likeness(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return fail(Errc::not_found,
                fmt::format("likeness {}: cannot be opened; learn one with `signalbox triage likeness`", path));
  std::string text(kMaxFileBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto data = decode_likeness(text);
  if (!data) return fail(data.error().code, fmt::format("likeness {}: {}", path, data.error().detail));
  return data;
}

Result<Likeness> Likeness::load(const std::string& path, const std::string& encoder_path) {
  SB_TRY(auto encoder, Encoder::load_file(encoder_path));
  SB_TRY(auto data, load_likeness(path));
  auto made = create(std::move(data), std::move(encoder));
  if (!made) return fail(made.error().code, fmt::format("likeness {}: {}", path, made.error().detail));
  return made;
}

std::optional<ReadQuestion> Likeness::read_question(const Encoder& encoder, std::string_view text) {
  ReadQuestion out{kept_words(text), {}};
  if (out.kept_words.empty()) return std::nullopt;
  Encoding encoding;
  encoder.encode(text, encoding);
  if (encoding.truncated || encoding.unknown > 0) return std::nullopt;
  // The last block's mean is what the encoder was taught to lay close together where the meaning is the same; the
  // blocks before it, which help to tell intents, made more false hits at each coverage.
  out.meaning = meaning_of(std::span(encoding.vector).last(encoder.width()));
  return out;
}

}  // namespace sb::triage
