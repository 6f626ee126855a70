#include "triage/dataset.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"

namespace sb::triage {
namespace {

constexpr std::size_t kMaxLines = 2'000'000;
constexpr std::size_t kMaxLineBytes = 1U << 20;
constexpr std::size_t kMaxFileBytes = 1U << 30;

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};
using Gzip = std::unique_ptr<std::remove_pointer_t<gzFile>, CloseGzip>;

Result<std::string> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path))
    return fail(Errc::not_found, fmt::format("{}: cannot be opened", path));
  std::error_code error;
  if (std::filesystem::file_size(path, error) > kMaxFileBytes && !error) {
    return fail(Errc::too_large, fmt::format("{}: over {} bytes; split it", path, kMaxFileBytes));
  }
  std::ostringstream out;
  out << file.rdbuf();
  return std::move(out).str();
}

Result<Example> read_example(std::string_view line) {
  SB_TRY(const auto value, parse_json(line));
  Example out{std::string(string_member(value, "text")), std::string(string_member(value, "intent")),
              std::string(string_member(value, "route"))};
  if (!find_member(value, "text")) return fail(Errc::invalid_argument, "no \"text\"");
  if (out.intent.empty()) return fail(Errc::invalid_argument, "no \"intent\"");
  return out;
}

}  // namespace

Result<std::vector<std::string>> read_lines(const std::string& path) {
  if (!std::filesystem::is_regular_file(path) && !std::filesystem::is_fifo(path)) {
    return fail(Errc::not_found, fmt::format("{}: no such file", path));
  }
  const Gzip file(gzopen(path.c_str(), "rb"));  // reads plain files as they are
  if (!file) return fail(Errc::not_found, fmt::format("{}: cannot be opened", path));
  std::vector<std::string> lines;
  std::string line;
  std::array<char, 1 << 16> block;
  for (;;) {
    const int got = gzread(file.get(), block.data(), block.size());
    if (got < 0) return fail(Errc::corrupt, fmt::format("{}: damaged gzip after line {}", path, lines.size()));
    if (got == 0) break;
    std::string_view rest(block.data(), static_cast<std::size_t>(got));
    for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
      line += rest.substr(0, end);
      rest.remove_prefix(end + 1);
      lines.push_back(std::exchange(line, {}));
    }
    line += rest;
    if (line.size() > kMaxLineBytes || lines.size() > kMaxLines) {
      return fail(Errc::too_large, fmt::format("{}:{}: over {} lines or a line over {} bytes", path, lines.size() + 1,
                                               kMaxLines, kMaxLineBytes));
    }
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

Result<Dataset> read_dataset(const std::vector<std::string>& paths) {
  Dataset out;
  for (const auto& path : paths) {
    SB_TRY(const auto lines, read_lines(path));
    const std::size_t before = out.examples.size();
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (trim(lines[i]).empty()) continue;
      auto example = read_example(lines[i]);
      if (!example) {
        return fail(Errc::invalid_argument, fmt::format("{}:{}: {}; a line is {{\"text\": ..., \"intent\": ...}}", path,
                                                        i + 1, example.error().detail));
      }
      out.examples.push_back(*std::move(example));
    }
    SB_TRY(const auto bytes, read_bytes(path));
    out.files.push_back(
        {std::filesystem::path(path).filename().string(), to_hex(sha256(bytes)), out.examples.size() - before});
  }
  return out;
}

std::optional<AnswerKind> answer_kind(std::string_view name) {
  if (name == "script") return AnswerKind::script;
  if (name == "generative") return AnswerKind::generative;
  if (name == "human") return AnswerKind::human;
  if (name.empty() || name == "oos") return AnswerKind::none;
  return std::nullopt;
}

bool RouteMap::same_intent(std::string_view a, std::string_view b) const {
  if (a == b) return true;
  return std::ranges::any_of(equivalent, [&](const auto& group) {
    return std::ranges::find(group, a) != group.end() && std::ranges::find(group, b) != group.end();
  });
}

Result<RouteMap> read_routes(const std::string& path) {
  SB_TRY(const auto bytes, read_bytes(path));
  auto value = parse_json(bytes);
  if (!value) return fail(Errc::invalid_argument, fmt::format("{}: {}", path, value.error().detail));
  RouteMap out;
  out.sha256 = to_hex(sha256(bytes));
  const auto* routes = find_member(*value, "routes");
  if (!routes || !routes->is_object()) {
    return fail(Errc::invalid_argument, fmt::format("{}: no object \"routes\" of intent: route", path));
  }
  for (const auto& [intent, route] : routes->get_object()) {
    const auto* name = route.if_string();
    const auto kind = name ? answer_kind(*name) : std::nullopt;
    if (!kind || *kind == AnswerKind::none) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: routes.{}: is not script, generative or human", path, std::string_view(intent)));
    }
    out.kinds.emplace(intent, *kind);
  }
  const auto* groups = find_member(*value, "equivalent_intents");
  for (const auto& group : groups && groups->is_array() ? groups->get_array() : json::array()) {
    std::vector<std::string> names;
    for (const auto& name : group.is_array() ? group.get_array() : json::array()) {
      if (const auto* text = name.if_string()) names.emplace_back(*text);
    }
    out.equivalent.push_back(std::move(names));
  }
  if (const auto* cost = find_member(*value, "cost")) {
    auto prices = read_prices(*cost);
    if (!prices) return fail(Errc::invalid_argument, fmt::format("{}: {}", path, prices.error().detail));
    out.prices = *prices;
  }
  return out;
}

}  // namespace sb::triage
