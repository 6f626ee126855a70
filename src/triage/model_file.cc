#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "triage/classifier.h"
#include "triage/model_data.h"
#include "triage/sealed_file.h"

namespace sb::triage {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little endian and is copied as it is");

// Version 2: levels of confidence, sentence heads. Version 3: early heads; models without them are written as before,
// so that they are what they were, by their digest too.
constexpr FileKind kModelFile{"SBTRIAGE", "a triage model", 3, "train it anew with `signalbox triage train`", 2};

constexpr FileKind kind_of(const ModelData& data) {
  auto kind = kModelFile;
  if (!data.early) kind.version = kind.oldest;
  return kind;
}

template <class T>
void put_all(std::string& out, const std::vector<T>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Written as text, shortest form that reads back as the same number: Boost.JSON's own parser may miss the last bit.
json::string exact(double value) {
  return json::string(fmt::format("{}", value));
}

json::array exact_all(std::span<const double> values) {
  json::array out;
  for (const double value : values) out.push_back(exact(value));
  return out;
}

json::object origin_of(const ThresholdOrigin& o) {
  return {{"by", o.by},
          {"wrong_scripts", exact(o.wrong_scripts)},
          {"confidence", exact(o.confidence)},
          {"out_of_scope", exact(o.out_of_scope)},
          {"bound", exact(o.bound)},
          {"texts", o.texts}};
}

json::object calibration_of(const Calibration& c, const Thresholds& t, const std::optional<ThresholdOrigin>& origin) {
  json::array levels;
  for (const auto& level : c.confidence.levels) {
    for (const double value : {level.from, level.mean, level.right}) levels.push_back(exact(value));
  }
  json::object out{{"temperature", exact(c.temperature)},
                   {"out_of_scope_gate", exact_all(c.out_of_scope)},
                   // Under a name that programs which know no lines do not know: they say so instead of going in steps.
                   {c.confidence.lines ? "lines" : "levels", std::move(levels)},
                   {"thresholds",
                    {{"script", exact(t.script)},
                     {"human", exact(t.human)},
                     {"veto", exact(t.veto)},
                     {"confidence", exact(t.confidence)}}}};
  if (c.outside_at <= 1) out["outside_at"] = exact(c.outside_at);
  if (origin) out["origin"] = origin_of(*origin);
  return out;
}

json::object sentence_of(const SentenceHeads& heads) {
  json::object out{
      {"encoder", heads.encoder},
      {"inputs", heads.inputs},
      {"dimension", heads.dimension},
      {"texts", heads.text_labels.size()},
      {"fusion", exact_all(heads.fusion)},
      {"certainty",
       {{"probability", exact(heads.certainty.probability)}, {"out_of_scope", exact(heads.certainty.out_of_scope)}}},
      {"calibration", calibration_of(heads.calibration, heads.thresholds, heads.origin)}};
  if (heads.blocks > 0) out["blocks"] = heads.blocks;
  return out;
}

json::object header_of(const ModelData& data) {
  json::array labels;
  for (const auto& label : data.labels) {
    json::object entry{{"name", label.name}, {"kind", to_string(label.kind)}};
    if (label.out_of_scope) entry["out_of_scope"] = true;
    labels.push_back(std::move(entry));
  }
  json::array files;
  for (const auto& file : data.provenance.files) {
    files.push_back({{"name", file.name}, {"sha256", file.sha256}, {"rows", file.rows}});
  }
  const auto& f = data.features;
  json::object header{
      {"features",
       {{"word_max", f.word_max},
        {"char_min", f.char_min},
        {"char_max", f.char_max},
        {"skip_pairs", f.skip_pairs},
        {"across_words", f.across_words}}},
      {"labels", std::move(labels)},
      {"dimension", data.dimension},
      {"rows", data.hashes.size()},
      {"unknown_word_weight", data.unknown_word_weight},
      {"unknown_char_weight", data.unknown_char_weight},
      {"scale", exact(data.scale)},
      {"calibration", calibration_of(data.calibration, data.thresholds, data.origin)},
      {"provenance",
       {{"files", std::move(files)},
        {"routes_sha256", data.provenance.routes_sha256},
        {"command", data.provenance.command},
        {"seed", data.provenance.seed}}},
  };
  if (data.early) header["early"] = sentence_of(*data.early);
  if (data.sentence) header["sentence"] = sentence_of(*data.sentence);
  if (data.remembered) header["remembered"] = data.remembered->labels.size();
  return header;
}

// Reads fields of the header and remembers the first that is missing or of another type.
class HeaderReader {
 public:
  explicit HeaderReader(const json::value& value) : value_(value) {}

  double number(std::string_view key) {
    const double value = number_in(find_member(value_, key));
    if (!std::isfinite(value)) missing(key);
    return value;
  }
  std::vector<double> numbers(std::string_view key) {
    std::vector<double> out;
    for (const auto& entry : list(key)) out.push_back(number_in(&entry));
    return out;
  }
  std::uint64_t count(std::string_view key, std::uint64_t largest) {
    const auto* member = find_member(value_, key);
    boost::system::error_code error;
    const auto number = member && member->is_number() ? member->to_number<std::uint64_t>(error) : largest + 1;
    if (error || number > largest) {
      missing(key);
      return 0;
    }
    return number;
  }
  bool has(std::string_view key) const { return find_member(value_, key) != nullptr; }
  bool flag(std::string_view key) { return bool_member(value_, key); }
  std::string text(std::string_view key) { return std::string(string_member(value_, key)); }
  HeaderReader inside(std::string_view key) {
    static const json::value kNothing;
    const auto* member = find_member(value_, key);
    if (!member) missing(key);
    HeaderReader reader(member ? *member : kNothing);
    return reader;
  }
  const json::array& list(std::string_view key) {
    static const json::array kEmpty;
    const auto* member = find_member(value_, key);
    const auto* array = member ? member->if_array() : nullptr;
    if (!array) missing(key);
    return array ? *array : kEmpty;
  }
  const std::string& fault() const { return fault_; }
  void adopt(const HeaderReader& inner) {
    if (fault_.empty()) fault_ = inner.fault_;
  }

 private:
  static double number_in(const json::value* value) {
    const auto* text = value ? value->if_string() : nullptr;
    double number = NAN;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc()) return NAN;
    return number;
  }
  void missing(std::string_view key) {
    if (fault_.empty()) fault_ = key;
  }

  const json::value& value_;
  std::string fault_;
};

std::optional<AnswerKind> kind_of(std::string_view name) {
  for (const auto kind : {AnswerKind::none, AnswerKind::script, AnswerKind::generative, AnswerKind::human}) {
    if (to_string(kind) == name) return kind;
  }
  return std::nullopt;
}

Result<std::vector<Label>> read_labels(const json::array& list) {
  std::vector<Label> labels;
  for (const auto& entry : list) {
    const auto kind = kind_of(string_member(entry, "kind"));
    Label label{std::string(string_member(entry, "name")), kind.value_or(AnswerKind::none),
                bool_member(entry, "out_of_scope")};
    if (!kind || label.name.empty()) return fail(Errc::corrupt, "a label in the header has no name or an unknown kind");
    labels.push_back(std::move(label));
  }
  if (labels.empty() || labels.size() > kMaxLabels) {
    return fail(Errc::corrupt, fmt::format("{} labels; 1 to {} are possible", labels.size(), kMaxLabels));
  }
  return labels;
}

void read_provenance(HeaderReader reader, Provenance& out) {
  for (const auto& entry : reader.list("files")) {
    out.files.push_back({std::string(string_member(entry, "name")), std::string(string_member(entry, "sha256")),
                         static_cast<std::uint64_t>(int_member(entry, "rows"))});
  }
  out.routes_sha256 = reader.text("routes_sha256");
  out.command = reader.text("command");
  out.seed = reader.count("seed", UINT64_MAX - 1);
}

ThresholdOrigin read_origin(HeaderReader reader, HeaderReader& faults) {
  ThresholdOrigin out{.by = reader.text("by"),
                      .wrong_scripts = reader.number("wrong_scripts"),
                      .confidence = reader.number("confidence"),
                      .out_of_scope = reader.number("out_of_scope"),
                      .bound = reader.number("bound"),
                      .texts = reader.count("texts", UINT32_MAX)};
  faults.adopt(reader);
  return out;
}

void read_calibration(HeaderReader reader, HeaderReader& faults, Calibration& c, Thresholds& t,
                      std::optional<ThresholdOrigin>& origin) {
  c.temperature = reader.number("temperature");
  c.out_of_scope = reader.numbers("out_of_scope_gate");
  if (reader.has("outside_at")) c.outside_at = reader.number("outside_at");
  c.confidence.lines = reader.has("lines");
  const auto levels = reader.numbers(c.confidence.lines ? "lines" : "levels");
  for (std::size_t i = 0; i + 3 <= levels.size(); i += 3) {
    c.confidence.levels.push_back({levels[i], levels[i + 1], levels[i + 2]});
  }
  auto thresholds = reader.inside("thresholds");
  t = {thresholds.number("script"), thresholds.number("human"), thresholds.number("veto"),
       thresholds.number("confidence")};
  if (reader.has("origin")) origin = read_origin(reader.inside("origin"), faults);
  faults.adopt(reader);
  faults.adopt(thresholds);
}

// The arrays are sized here and filled later.
SentenceHeads read_sentence(HeaderReader reader, HeaderReader& faults, bool& old_heads) {
  SentenceHeads out;
  out.encoder = reader.text("encoder");
  if (reader.has("blocks")) out.blocks = static_cast<std::uint32_t>(reader.count("blocks", kMaxSentenceInputs));
  out.inputs = static_cast<std::uint32_t>(reader.count("inputs", kMaxSentenceInputs));
  out.dimension = static_cast<std::uint32_t>(reader.count("dimension", kMaxSentenceDimension));
  out.text_labels.resize(reader.count("texts", kMaxSentenceTexts));
  const auto fusion = reader.numbers("fusion");
  if (fusion.size() == out.fusion.size())
    std::ranges::copy(fusion, out.fusion.begin());
  else
    old_heads = true;
  if (reader.has("certainty")) {
    auto certainty = reader.inside("certainty");
    out.certainty = {certainty.number("probability"), certainty.number("out_of_scope")};
    faults.adopt(certainty);
  }
  read_calibration(reader.inside("calibration"), faults, out.calibration, out.thresholds, out.origin);
  faults.adopt(reader);
  return out;
}

Result<ModelData> read_header(std::string_view text, std::size_t& rows) {
  SB_TRY(const auto value, parse_json(text));
  HeaderReader reader(value);
  ModelData data;
  auto features = reader.inside("features");
  data.features = {static_cast<int>(features.count("word_max", 3)), static_cast<int>(features.count("char_min", 8)),
                   static_cast<int>(features.count("char_max", 8)), features.flag("skip_pairs"),
                   features.flag("across_words")};
  SB_TRY(data.labels, read_labels(reader.list("labels")));
  data.dimension = static_cast<std::uint32_t>(reader.count("dimension", kMaxDimension));
  rows = reader.count("rows", kMaxRows);
  data.unknown_word_weight = static_cast<std::uint16_t>(reader.count("unknown_word_weight", kMaxRowWeight));
  data.unknown_char_weight = static_cast<std::uint16_t>(reader.count("unknown_char_weight", kMaxRowWeight));
  data.scale = static_cast<float>(reader.number("scale"));
  read_calibration(reader.inside("calibration"), reader, data.calibration, data.thresholds, data.origin);
  bool old_heads = false;
  if (reader.has("early")) data.early = read_sentence(reader.inside("early"), reader, old_heads);
  if (reader.has("sentence")) data.sentence = read_sentence(reader.inside("sentence"), reader, old_heads);
  if (reader.has("remembered")) data.remembered.emplace().labels.resize(reader.count("remembered", kMaxRemembered));
  read_provenance(reader.inside("provenance"), data.provenance);
  reader.adopt(features);
  if (!reader.fault().empty()) {
    return fail(Errc::corrupt, fmt::format("header field \"{}\" is missing or out of range", reader.fault()));
  }
  // Models without heads are as they were: they need no version of their own.
  if (old_heads) return fail(Errc::unsupported, fmt::format("its tier 1 has no regression; {}", kModelFile.remedy));
  return data;
}

class ArrayReader {
 public:
  explicit ArrayReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  void take(std::size_t count, std::vector<T>& out) {
    if (bytes_.size() / sizeof(T) < count) {
      short_ = true;
      return;
    }
    out.resize(count);
    std::memcpy(out.data(), bytes_.data(), count * sizeof(T));
    bytes_.remove_prefix(count * sizeof(T));
  }
  bool exact() const { return !short_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool short_ = false;
};

void put_heads(std::string& out, const SentenceHeads& heads) {
  put_all(out, heads.centre);
  put_all(out, heads.projection);
  put_all(out, heads.means);
  put_all(out, heads.weights);
  put_all(out, heads.biases);
  put_all(out, heads.texts);
  put_all(out, heads.text_labels);
}

void take_heads(ArrayReader& arrays, std::size_t labels, SentenceHeads& heads) {
  arrays.take(heads.inputs, heads.centre);
  arrays.take(std::size_t{heads.dimension} * heads.inputs, heads.projection);
  arrays.take(labels * heads.dimension, heads.means);
  arrays.take(labels * heads.inputs, heads.weights);
  arrays.take(labels, heads.biases);
  arrays.take(heads.text_labels.size() * heads.dimension, heads.texts);
  arrays.take(heads.text_labels.size(), heads.text_labels);
}

void put_remembered(std::string& out, const Remembered& texts) {
  put_all(out, texts.labels);
  put_all(out, texts.places);
  put_all(out, texts.gates);
  put_all(out, texts.spread);
  put_all(out, texts.vectors);
  put_all(out, texts.sentence_gates);
}

void take_remembered(ArrayReader& arrays, const ModelData& data, Remembered& out) {
  const std::size_t count = out.labels.size();
  arrays.take(count, out.labels);
  arrays.take(count * data.dimension, out.places);
  arrays.take(count * kGateInputs, out.gates);
  if (!data.sentence) return;
  arrays.take(data.sentence->inputs, out.spread);
  arrays.take(count * data.sentence->inputs, out.vectors);
  arrays.take(count * kGateInputs, out.sentence_gates);
}

Result<> check_remembered(const Remembered& texts, std::size_t labels) {
  const auto bad = [](std::string_view what) { return fail(Errc::corrupt, fmt::format("{} out of range", what)); };
  const auto finite = [](float value) { return std::isfinite(value) && std::abs(value) < 1e6F; };
  if (std::ranges::any_of(texts.labels, [&](auto label) { return label >= labels; }))
    return bad("a remembered text's label");
  if (!std::ranges::all_of(texts.gates, finite) || !std::ranges::all_of(texts.sentence_gates, finite))
    return bad("what the gate saw of a remembered text");
  if (std::ranges::any_of(texts.spread, [&](float value) { return !finite(value) || value <= 0; }))
    return bad("the spread of the sentence vectors");
  return {};
}

Result<> check_calibration(const Calibration& c) {
  const auto bad = [](std::string_view what) { return fail(Errc::corrupt, fmt::format("{} out of range", what)); };
  if (!(c.temperature >= 1e-3 && c.temperature <= 1e3)) return bad("temperature");
  if (!c.out_of_scope.empty() && c.out_of_scope.size() != kGateInputs) return bad("out-of-scope gate");
  for (const double weight : c.out_of_scope) {
    if (!(std::abs(weight) < 1e6)) return bad("out-of-scope gate");
  }
  for (const auto& level : c.confidence.levels) {
    if (!(level.right >= 0 && level.right <= 1 && std::abs(level.from) <= 1 && std::abs(level.mean) <= 1))
      return bad("a level of confidence");
  }
  return {};
}

Result<> check_sentence(const SentenceHeads& heads, std::size_t labels) {
  const auto bad = [](std::string_view what) { return fail(Errc::corrupt, fmt::format("{} out of range", what)); };
  const auto finite = [](const std::vector<float>& values) {
    return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
  };
  if (heads.inputs == 0 || heads.dimension == 0) return bad("the sentence heads' sizes");
  if (!finite(heads.centre) || !finite(heads.projection) || !finite(heads.means) || !finite(heads.weights) ||
      !finite(heads.biases))
    return bad("a sentence weight");
  if (std::ranges::any_of(heads.text_labels, [&](auto label) { return label >= labels; }))
    return bad("a training text's label");
  if (std::ranges::any_of(heads.fusion, [](double weight) { return !(weight >= 0 && weight < 1e6); }))
    return bad("a fusion weight");
  const auto& [probability, out_of_scope] = heads.certainty;
  if (!(probability >= 0 && probability <= 1) || !(out_of_scope >= 0 && out_of_scope <= 1))
    return bad("where an earlier look is enough");
  return check_calibration(heads.calibration);
}

// A checksum proves that nothing changed since writing, not that the writer was ours: ranges are checked all the same,
// because the scorer's arithmetic relies on them.
Result<> check_ranges(const ModelData& data) {
  const auto bad = [](std::string_view what) { return fail(Errc::corrupt, fmt::format("{} out of range", what)); };
  const auto& f = data.features;
  if (f.word_max < 1 || f.char_min < 1 || f.char_max < f.char_min) return bad("feature settings");
  if (data.dimension == 0) return bad("dimension");
  for (std::size_t i = 0; i < data.hashes.size(); ++i) {
    if (i > 0 && data.hashes[i] <= data.hashes[i - 1]) return bad("feature order");
    if (data.row_weights[i] == 0 || data.row_weights[i] > kMaxRowWeight) return bad("a row weight");
    if (data.length_weights[i] == 0 || data.length_weights[i] > kMaxRowWeight) return bad("a length weight");
  }
  if (data.unknown_word_weight == 0 || data.unknown_char_weight == 0) return bad("an unknown n-gram's weight");
  for (const auto value : data.embeddings) {
    if (value == -128) return bad("an embedding");
  }
  for (const auto value : data.heads) {
    if (std::abs(value) > kMaxHeadWeight) return bad("a head weight");
  }
  for (const auto value : data.biases) {
    if (!std::isfinite(value) || std::abs(value) > 1e6F) return bad("a bias");
  }
  if (!(data.scale > 0) || !(data.scale < 1e3F)) return bad("scale");
  SB_CHECK(check_calibration(data.calibration));
  if (data.remembered) SB_CHECK(check_remembered(*data.remembered, data.labels.size()));
  if (data.early) {
    if (!data.sentence || data.early->blocks == 0) return bad("the early heads' blocks");
    SB_CHECK(check_sentence(*data.early, data.labels.size()));
  }
  return data.sentence ? check_sentence(*data.sentence, data.labels.size()) : Result<>();
}

}  // namespace

std::string encode_model(const ModelData& data) {
  const std::string header = json::serialize(header_of(data));
  std::string payload;
  payload.reserve(header.size() + data.embeddings.size() + data.hashes.size() * 8 + data.heads.size() * 2 + 4096);
  put(payload, static_cast<std::uint32_t>(header.size()));
  payload += header;
  put_all(payload, data.hashes);
  put_all(payload, data.row_weights);
  put_all(payload, data.length_weights);
  put_all(payload, data.embeddings);
  put_all(payload, data.heads);
  put_all(payload, data.biases);
  if (data.early) put_heads(payload, *data.early);
  if (data.sentence) put_heads(payload, *data.sentence);
  if (data.remembered) put_remembered(payload, *data.remembered);
  return seal_file(kind_of(data), payload);
}

Result<ModelData> decode_model(std::string_view bytes) {
  SB_TRY(const auto payload, open_file(kModelFile, bytes));
  std::uint32_t header_size = 0;
  if (payload.size() < sizeof header_size) return fail(Errc::corrupt, "no header");
  std::memcpy(&header_size, payload.data(), sizeof header_size);
  if (payload.size() - sizeof header_size < header_size) return fail(Errc::corrupt, "header longer than the file");

  std::size_t rows = 0;
  auto header = read_header(payload.substr(sizeof header_size, header_size), rows);
  if (!header) {
    return fail(header.error().code == Errc::unsupported ? Errc::unsupported : Errc::corrupt, header.error().detail);
  }
  ModelData data = *std::move(header);
  ArrayReader arrays(payload.substr(sizeof header_size + header_size));
  arrays.take(rows, data.hashes);
  arrays.take(rows, data.row_weights);
  arrays.take(rows, data.length_weights);
  arrays.take(rows * data.dimension, data.embeddings);
  arrays.take(data.labels.size() * data.dimension, data.heads);
  arrays.take(data.labels.size(), data.biases);
  if (data.early) take_heads(arrays, data.labels.size(), *data.early);
  if (data.sentence) take_heads(arrays, data.labels.size(), *data.sentence);
  if (data.remembered) take_remembered(arrays, data, *data.remembered);
  if (!arrays.exact()) return fail(Errc::corrupt, "the arrays are not as long as the header says");
  SB_CHECK(check_ranges(data));
  return data;
}

}  // namespace sb::triage
