#include "cli/config_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <ostream>

namespace sb::cli {
namespace {

std::optional<std::filesystem::path> named_file(const Invocation& it) {
  if (const auto file = it.position("FILE"); !file.empty()) return file;
  if (const auto file = it.get("config"); !file.empty()) return file;
  return std::nullopt;
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

int check(const Invocation& it) {
  if (!it.position("FILE").empty() && it.has("config")) {
    return it.fail(Error(Errc::invalid_argument, "name the file once: as FILE or with --config"));
  }
  const auto overrides = it.all("set");
  const auto input = find_config(named_file(it), overrides);
  if (!input) return it.fail(input.error());
  auto report = read_config(*input);
  if (report.problems.empty() && !it.has("without-secrets")) report.problems = check_secrets(report.config);
  for (const auto& problem : report.problems) it.err << problem.to_string(input->source) << "\n";
  if (!report.problems.empty()) {
    it.err << counted(report.problems.size(), "problem")
           << "; every key is explained in docs/reference/configuration.md\n";
    return kExitFailed;
  }
  std::size_t models = 0;
  for (const auto& [name, provider] : report.config.providers) models += provider.models.size();
  it.out << fmt::format("{}: valid; {}, {}, {}; listens on {}\n", input->source,
                        counted(report.config.providers.size(), "provider"), counted(models, "model"),
                        counted(report.config.tiers.size(), "tier"), report.config.server.listen);
  return kExitOk;
}

Result<> write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (stream) return {};
  return fail(Errc::internal, fmt::format("{}: cannot be written; does the folder exist?", path.string()));
}

int docs(const Invocation& it) {
  const std::filesystem::path dir = it.get("dir");
  for (const auto& [name, text] :
       {std::pair("signalbox.schema.json", config_json_schema()), std::pair("configuration.md", config_reference())}) {
    if (const auto written = write_file(dir / name, text); !written) return it.fail(written.error());
    it.out << (dir / name).string() << "\n";
  }
  return kExitOk;
}

}  // namespace

Command& add_config_flags(Command& command) {
  return command
      .option("config", "FILE", "configuration file; without it ./signalbox.yaml where there is one, else the defaults")
      .repeated("set", "KEY=VALUE", "set one key of the configuration, such as server.listen=127.0.0.1:9000");
}

Result<Config> config_from(const Invocation& invocation, std::span<const std::string> more) {
  auto overrides = invocation.all("set");
  overrides.insert(overrides.end(), more.begin(), more.end());
  const auto file = invocation.get("config");
  return load_config(file.empty() ? std::nullopt : std::optional<std::filesystem::path>(file), overrides);
}

Command config_command() {
  Command config("config", "check the configuration file, print its schema");
  auto& checking = config.add(Command("check", "report everything wrong with a configuration file"));
  checking
      .about(
          "Reads the file as the server would and reports all problems at once, each with line, column and the way "
          "out. "
          "Starts nothing and opens no connection. Exit status: 0 valid, 1 not.")
      .optional("FILE", "the file to check; without it as --config")
      .toggle("without-secrets", "do not look whether env:NAME and file:PATH secrets are there")
      .example("signalbox config check", "check ./signalbox.yaml")
      .example("signalbox config check desk.yaml --without-secrets", "check a file on a machine that has no secrets")
      .example("signalbox config check --set server.shards=4", "check the file as it would be with one key set")
      .run(check);
  add_config_flags(checking);
  config.add(Command("schema", "print the JSON Schema of the file"))
      .about("For editors and other tools; the same text as docs/reference/signalbox.schema.json.")
      .example("signalbox config schema > signalbox.schema.json", "keep it beside your file")
      .run([](const Invocation& it) {
        it.out << config_json_schema();
        return kExitOk;
      });
  config.add(Command("docs", "write the reference page and the JSON Schema"))
      .option("dir", "DIR", "folder to write configuration.md and signalbox.schema.json into", "docs/reference")
      .example("signalbox config docs", "after a key was added: bring the committed pages up to date")
      .run(docs);
  return config;
}

}  // namespace sb::cli
