#include "triage/command_support.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>

#include "base/bytes.h"
#include "triage/dataset.h"

namespace sb::triage {

std::optional<Options> Options::parse(std::span<const std::string> args, const Strings& known, std::ostream& err) {
  Options out;
  Strings* values = nullptr;
  for (const auto& arg : args) {
    if (arg.starts_with("--")) {
      if (std::ranges::find(known, arg) == known.end()) {
        const auto near = nearest(arg, known);
        fmt::print(err, "unknown option {}{}; see --help\n", arg, near ? fmt::format(", did you mean {}?", *near) : "");
        return std::nullopt;
      }
      values = &out.values_[arg];
    } else if (values) {
      values->push_back(arg);
    } else {
      fmt::print(err, "unexpected \"{}\": every value follows an option; see --help\n", arg);
      return std::nullopt;
    }
  }
  return out;
}

Strings Options::list(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? Strings() : found->second;
}

Result<std::string> Options::one(std::string_view name) const {
  const auto values = list(name);
  if (values.size() != 1) return fail(Errc::invalid_argument, fmt::format("{} needs one value; see --help", name));
  return values[0];
}

Result<> Options::rate(std::string_view name, double& out) const {
  SB_CHECK(number(name, out));
  if (!(out >= 0 && out <= 1)) return fail(Errc::invalid_argument, fmt::format("{}: is a share, from 0 to 1", name));
  return {};
}

Result<std::string> text_of(const json::value& line) {
  const auto* text = find_member(line, "text");
  if (!text) text = find_member(line, "prompt");
  if (!text || !text->is_string()) return fail(Errc::invalid_argument, "no string \"text\"");
  return std::string(text->get_string());
}

Progress progress_bar(std::string what, std::ostream& err) {
  const auto begin = std::chrono::steady_clock::now();
  return [what = std::move(what), &err, begin, shown = -1](double share) mutable {
    const int percent = static_cast<int>(share * 100);
    if (percent / 5 == shown) return;
    shown = percent / 5;
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fmt::print(err, "\r{} [{:<20}] {:3} %  {:.0f} s", what, std::string(static_cast<std::size_t>(shown), '#'), percent,
               seconds);
    if (share >= 1) err << '\n';
    err.flush();
  };
}

Result<> each_line(const std::string& source, std::istream& in,
                   const std::function<Result<>(std::string_view line)>& handle) {
  std::size_t number = 0;
  const auto one = [&](std::string_view line) -> Result<> {
    ++number;
    if (trim(line).empty()) return {};
    auto done = handle(line);
    if (!done) return fail(Errc::invalid_argument, fmt::format("{}:{}: {}", source, number, done.error().detail));
    return {};
  };
  if (source == "-") {
    for (std::string line; std::getline(in, line);) SB_CHECK(one(line));
    return {};
  }
  SB_TRY(const auto lines, read_lines(source));
  for (const auto& line : lines) SB_CHECK(one(line));
  return {};
}

}  // namespace sb::triage
