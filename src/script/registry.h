/// The deterministic scripts that flows call (`call: script`): the cheapest tier, and the one that cannot invent.
///
/// A set is a directory with a manifest `scripts.yaml`:
///
///     opening-hours:
///       kind: template                # template | jq | javascript
///       inline: "We are open {{ .hours }}."   # or   file: hours.txt   (inside the directory)
///       description: says when the shop is open
///       input: "{hours: string}"      # notes for people
///       output: string
///       timeout_ms: 50                # default 100, at most 10000
///       memory_mib: 16                # default 16, at most 256
///
/// Templates and jq programs are compiled here and evaluated in the server; JavaScript runs in worker processes
/// (script/runner.h). The same script and input always give the same output: there is no clock, randomness or I/O.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "jq/program.h"
#include "script/template.h"

namespace sb::script {

enum class ScriptKind : std::uint8_t { text_template, jq, javascript };
std::string_view to_string(ScriptKind kind);

/// Source of a JavaScript script, as a worker gets it.
struct JavaScript {
  std::string source;
};

struct Script {
  std::string name;
  ScriptKind kind = ScriptKind::text_template;
  std::string description;
  std::string input_note;
  std::string output_note;
  std::int64_t timeout_ms = 100;
  std::int64_t memory_mib = 16;
  std::string version;  ///< 16 hex digits of the SHA-256 over kind, limits and source
  std::variant<JavaScript, Template, jq::Program> code;

  /// What a jq expression of this script may use.
  jq::Budget budget() const;
};

struct ScriptOptions {
  std::size_t scripts_max = 1000;
  std::size_t source_bytes_max = 256 * 1024;  ///< of one script
};

/// The scripts of one directory. Immutable once loaded: share it between threads.
class ScriptRegistry {
 public:
  /// Reads and compiles everything. Errors: not_found (no such directory or file), invalid_argument (names script, line
  /// and column), unsupported, too_large.
  static Result<std::unique_ptr<ScriptRegistry>> load(const std::string& directory, ScriptOptions options = {});

  /// Null where there is none.
  const Script* find(std::string_view name) const;
  /// As find, with a "did you mean". Errors: not_found.
  Result<const Script*> get(std::string_view name) const;
  /// For the record of a step: changes exactly when the script's behaviour may. Empty for an unknown name.
  std::string version(std::string_view name) const;
  const std::map<std::string, Script, std::less<>>& scripts() const { return scripts_; }

  /// Evaluates a template or jq script. Errors: unsupported (JavaScript: use a ScriptRunner), and theirs.
  static Result<json::value> evaluate(const Script& script, const json::value& input);

 private:
  std::map<std::string, Script, std::less<>> scripts_;
};

}  // namespace sb::script
