#include "script/registry.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/yaml.h"

namespace sb::script {
namespace {

constexpr std::int64_t kMaxTimeoutMs = 10'000;
constexpr std::int64_t kMaxMemoryMib = 256;
// A step of jq takes 10 to 50 ns; this keeps a jq script's time near its timeout_ms.
constexpr std::int64_t kStepsPerMs = 20'000;

const std::vector<std::string> kKeys{"kind",  "file",   "inline",     "description",
                                     "input", "output", "timeout_ms", "memory_mib"};

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("cannot read {}", path.string()));
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  text.shrink_to_fit();  // kept as long as the server runs
  if (text.size() > bytes_max)
    return fail(Errc::too_large, fmt::format("{} is over {} bytes", path.string(), bytes_max));
  return text;
}

/// One entry of the manifest being read; errors name it and its line.
class Entry {
 public:
  Entry(const YamlDocument& manifest, std::string_view name, const json::object& fields)
      : manifest_(manifest), name_(name), fields_(fields) {}

  std::unexpected<Error> wrong(std::string_view key, std::string_view what, Errc code = Errc::invalid_argument) const {
    auto pointer = pointer_append("", name_);
    if (!key.empty()) pointer = pointer_append(pointer, key);
    const auto at = manifest_.position_of(pointer);
    return fail(code,
                fmt::format("scripts.yaml: line {}: {}{}{}: {}", at.line, name_, key.empty() ? "" : ".", key, what));
  }

  Result<std::string> text(std::string_view key) const {
    const auto* value = fields_.if_contains(key);
    if (!value) return std::string();
    if (!value->is_string()) return wrong(key, "must be a string");
    return std::string(value->get_string());
  }

  Result<std::int64_t> number(std::string_view key, std::int64_t otherwise, std::int64_t most) const {
    const auto* value = fields_.if_contains(key);
    if (!value) return otherwise;
    if (!value->is_int64() || value->get_int64() < 1 || value->get_int64() > most)
      return wrong(key, fmt::format("must be a whole number from 1 to {}", most));
    return value->get_int64();
  }

  Result<void> check_keys() const {
    for (const auto& field : fields_) {
      const std::string key(field.key());
      if (std::ranges::find(kKeys, key) != kKeys.end()) continue;
      const auto near = nearest(key, kKeys);
      return wrong(key, fmt::format("unknown key{}", near ? fmt::format("; did you mean {}?", *near) : ""));
    }
    return {};
  }

  bool has(std::string_view key) const { return fields_.contains(key); }

 private:
  const YamlDocument& manifest_;
  std::string name_;
  const json::object& fields_;
};

Result<ScriptKind> kind_of(const Entry& entry) {
  SB_TRY(const std::string kind, entry.text("kind"));
  for (const auto known : {ScriptKind::text_template, ScriptKind::jq, ScriptKind::javascript})
    if (kind == to_string(known)) return known;
  return entry.wrong(entry.has("kind") ? "kind" : "", "kind must be template, jq or javascript");
}

Result<std::string> source_of(const Entry& entry, const std::filesystem::path& directory,
                              const ScriptOptions& options) {
  if (entry.has("file") == entry.has("inline")) return entry.wrong("", "give either `file` or `inline`");
  if (entry.has("inline")) {
    SB_TRY(std::string text, entry.text("inline"));
    if (text.size() > options.source_bytes_max)
      return entry.wrong("inline", fmt::format("is over {} bytes", options.source_bytes_max), Errc::too_large);
    return text;
  }
  SB_TRY(const std::string file, entry.text("file"));
  const std::filesystem::path path(file);
  if (path.is_absolute() || file.empty() || std::ranges::any_of(path, [](const auto& part) { return part == ".."; }))
    return entry.wrong("file", "must be a path inside the script directory");
  auto text = read_file(directory / path, options.source_bytes_max);
  if (!text) return entry.wrong("file", text.error().detail, text.error().code);
  return text;
}

template <class Code>
Result<void> keep(const Entry& entry, Script& script, Result<Code> compiled) {
  if (!compiled) return entry.wrong("", compiled.error().detail, compiled.error().code);
  script.code = *std::move(compiled);
  return {};
}

Result<Script> read_entry(const Entry& entry, std::string_view name, const std::filesystem::path& directory,
                          const ScriptOptions& options) {
  SB_CHECK(entry.check_keys());
  Script script;
  script.name = name;
  SB_TRY(script.kind, kind_of(entry));
  SB_TRY(script.description, entry.text("description"));
  SB_TRY(script.input_note, entry.text("input"));
  SB_TRY(script.output_note, entry.text("output"));
  SB_TRY(script.timeout_ms, entry.number("timeout_ms", script.timeout_ms, kMaxTimeoutMs));
  SB_TRY(script.memory_mib, entry.number("memory_mib", script.memory_mib, kMaxMemoryMib));
  SB_TRY(std::string source, source_of(entry, directory, options));
  const auto limits = fmt::format("{}\n{}\n{}\n", to_string(script.kind), script.timeout_ms, script.memory_mib);
  script.version = to_hex(sha256(limits, source)).substr(0, 16);
  switch (script.kind) {
    case ScriptKind::text_template:
      SB_CHECK(keep(entry, script, Template::compile(source)));
      break;
    case ScriptKind::jq:
      SB_CHECK(keep(entry, script, jq::Program::compile(source)));
      break;
    case ScriptKind::javascript:
      script.code = JavaScript{std::move(source)};
      break;
  }
  return script;
}

}  // namespace

std::string_view to_string(ScriptKind kind) {
  switch (kind) {
    case ScriptKind::text_template:
      return "template";
    case ScriptKind::jq:
      return "jq";
    case ScriptKind::javascript:
      return "javascript";
  }
  return "template";
}

jq::Budget Script::budget() const {
  return {timeout_ms * kStepsPerMs, memory_mib * 1024 * 1024};
}

Result<std::unique_ptr<ScriptRegistry>> ScriptRegistry::load(const std::string& directory, ScriptOptions options) {
  constexpr std::size_t kMaxManifestBytes = 1024 * 1024;
  SB_TRY(const std::string text, read_file(std::filesystem::path(directory) / "scripts.yaml", kMaxManifestBytes));
  auto manifest = parse_yaml(text);
  if (!manifest) return fail(manifest.error().code, "scripts.yaml: " + manifest.error().detail);
  const auto* entries = manifest->value.if_object();
  if (!entries) return fail(Errc::invalid_argument, "scripts.yaml: must map script names to their definitions");
  if (entries->size() > options.scripts_max)
    return fail(Errc::too_large, fmt::format("scripts.yaml: more than {} scripts", options.scripts_max));
  auto registry = std::make_unique<ScriptRegistry>();
  for (const auto& [name, value] : *entries) {
    const json::object none;
    const Entry entry(*manifest, name, value.is_object() ? value.get_object() : none);
    if (!value.is_object()) return entry.wrong("", "must be a mapping with `kind` and `file` or `inline`");
    SB_TRY(Script script, read_entry(entry, name, directory, options));
    registry->scripts_.emplace(name, std::move(script));
  }
  return registry;
}

const Script* ScriptRegistry::find(std::string_view name) const {
  const auto found = scripts_.find(name);
  return found == scripts_.end() ? nullptr : &found->second;
}

Result<const Script*> ScriptRegistry::get(std::string_view name) const {
  if (const auto* script = find(name)) return script;
  std::vector<std::string> names;
  for (const auto& [known, script] : scripts_) names.push_back(known);
  const auto near = nearest(name, names);
  return fail(Errc::not_found,
              fmt::format("there is no script {}{}", name, near ? fmt::format("; did you mean {}?", *near) : ""));
}

std::string ScriptRegistry::version(std::string_view name) const {
  const auto* script = find(name);
  return script ? script->version : std::string();
}

Result<json::value> ScriptRegistry::evaluate(const Script& script, const json::value& input) {
  const auto named = [&](Error error) {
    return fail(error.code, fmt::format("script {}: {}", script.name, error.detail));
  };
  if (const auto* text = std::get_if<Template>(&script.code)) {
    auto rendered = text->render(input, script.budget());
    if (!rendered) return named(rendered.error());
    return json::value(std::string_view(*rendered));
  }
  if (const auto* program = std::get_if<jq::Program>(&script.code)) {
    auto result = program->eval_one(input, {}, script.budget());
    if (!result) return named(result.error());
    return result;
  }
  return fail(Errc::unsupported, fmt::format("script {}: JavaScript runs in a ScriptRunner's workers", script.name));
}

}  // namespace sb::script
