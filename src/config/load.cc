#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>
#include <tuple>

#include "base/bytes.h"
#include "base/crypto.h"
#include "config/meaning.h"
#include "config/override.h"

namespace sb {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

// The YAML reader refuses a document with nothing in it; a configuration may be just that.
bool is_blank(std::string_view text) {
  return std::ranges::all_of(split(text, '\n'), [](std::string_view line) {
    line = trim(line);
    return line.empty() || line.starts_with('#') || line == "---";
  });
}

// Takes `before` and the number behind it off the front of `rest`; 0 where they are not there.
int take_number(std::string_view& rest, std::string_view before) {
  if (!rest.starts_with(before)) return 0;
  rest.remove_prefix(before.size());
  int number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return error == std::errc() ? number : 0;
}

// The YAML reader's "line 3, column 5: what", back into its parts.
ConfigProblem from_yaml_error(const Error& error) {
  std::string_view rest = error.detail;
  const int line = take_number(rest, "line ");
  const int column = take_number(rest, ", column ");
  if (line == 0 || column == 0 || !rest.starts_with(": ")) return {"", {1, 1}, error.detail};
  return {"", {line, column}, fmt::format("not readable as YAML: {}", rest.substr(2))};
}

bool by_position(const ConfigProblem& a, const ConfigProblem& b) {
  return std::tie(a.position.line, a.position.column, a.path) < std::tie(b.position.line, b.position.column, b.path);
}

void rebase_defaults(Config& config, const YamlDocument& document, const ConfigInput& input) {
  // The one path with a default: it belongs beside the file as well.
  const auto* data = find_member(document.value, "data");
  if (input.base_dir.empty() || (data && find_member(*data, "dir"))) return;
  config.data.dir = (input.base_dir / config.data.dir).lexically_normal().string();
}

}  // namespace

std::string ConfigProblem::to_string(std::string_view source) const {
  std::string text =
      position.line > 0 ? fmt::format("{}:{}:{}: ", source, position.line, position.column) : "configuration: ";
  if (!path.empty()) text += path + ": ";
  return text + message;
}

ConfigReport read_config(const ConfigInput& input) {
  ConfigReport report;
  YamlDocument document;
  if (!is_blank(input.text)) {
    auto parsed = parse_yaml(input.text);
    if (!parsed) {
      report.problems.push_back(from_yaml_error(parsed.error()));
      return report;
    }
    document = std::move(*parsed);
  }
  std::vector<std::string> overridden;
  for (const auto& text : input.overrides) {
    auto setting = config::parse_override(text);
    auto applied = setting ? config::apply_override(document.value, *setting) : std::unexpected(setting.error());
    if (!applied) {
      report.problems.push_back({"", {}, applied.error().detail});
      return report;
    }
    overridden.push_back(setting->pointer);
  }
  report.config.hash = to_hex(sha256(to_text(document.value)));
  config::ReadState state(document, overridden, input.base_dir);
  config::read_section(config::root_section(), document.value, &report.config, {}, state);
  // What was not understood is at its default now; checking that would report things nobody wrote.
  if (state.problems.empty()) config::check_meaning(report.config, state);
  rebase_defaults(report.config, document, input);
  report.problems = std::move(state.problems);
  std::ranges::sort(report.problems, by_position);
  return report;
}

Result<Config> parse_config(const ConfigInput& input) {
  auto report = read_config(input);
  if (report.problems.empty()) return std::move(report.config);
  std::string detail;
  for (const auto& problem : report.problems) {
    if (!detail.empty()) detail += '\n';
    detail += problem.to_string(input.source);
  }
  return fail(Errc::invalid_argument, std::move(detail), report.problems.front().path);
}

Result<ConfigInput> find_config(const std::optional<std::filesystem::path>& file,
                                std::span<const std::string> overrides) {
  ConfigInput input{.overrides = {overrides.begin(), overrides.end()}};
  const auto path = file.value_or("signalbox.yaml");
  std::error_code ignored;
  if (!file && !std::filesystem::exists(path, ignored)) return input;
  input.source = path.string();
  input.base_dir = path.parent_path();
  std::ifstream stream(path, std::ios::binary);
  std::string bytes(kMaxFileBytes + 1, '\0');
  // Opening a folder succeeds; reading it does not.
  if (!stream || (!stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) && stream.bad()) ||
      std::filesystem::is_directory(path, ignored)) {
    return fail(Errc::not_found,
                fmt::format("{}: cannot be read; name a configuration file with --config FILE", input.source));
  }
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  if (bytes.size() > kMaxFileBytes)
    return fail(Errc::too_large, fmt::format("{}: a configuration has at most 1 MiB", input.source));
  input.text = std::move(bytes);
  return input;
}

Result<Config> load_config(const std::optional<std::filesystem::path>& file, std::span<const std::string> overrides) {
  SB_TRY(const auto input, find_config(file, overrides));
  return parse_config(input);
}

std::vector<ConfigProblem> check_secrets(const Config& config) {
  std::vector<ConfigProblem> problems;
  for (const auto& [name, provider] : config.providers) {
    if (!provider.api_key) continue;
    if (const auto secret = provider.api_key->resolve(); !secret) {
      const auto place = config::Place{}.member("providers").member(name).member("api_key");
      problems.push_back({place.dotted, {}, secret.error().detail});
    }
  }
  for (std::size_t i = 0; config.kafka && i < config.kafka->secrets.size(); ++i) {
    const auto& value = config.kafka->secrets[i].value;
    if (!value) continue;
    if (const auto secret = value->resolve(); !secret) {
      const auto place = config::Place{}.member("kafka").member("secrets").element(i).member("value");
      problems.push_back({place.dotted, {}, secret.error().detail});
    }
  }
  return problems;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    in6_addr address;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1) return std::nullopt;
  } else if (host.find_first_of(" \t:[]/@") != std::string_view::npos) {
    return std::nullopt;
  }
  return HostPort{host.empty() ? "0.0.0.0" : std::string(host), port};
}

bool is_loopback(std::string_view host) {
  if (iequals(host, "localhost")) return true;
  const std::string text(host);
  if (in_addr v4; inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  if (in6_addr v6; inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
  return false;
}

}  // namespace sb
