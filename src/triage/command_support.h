/// What the `signalbox triage` commands share: options, progress.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <iosfwd>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "triage/trainer.h"

namespace sb::triage {

using Strings = std::vector<std::string>;

/// Options of one command: name -> values; "--x" takes values until the next "--".
class Options {
 public:
  /// Nothing, and a sentence on `err`, where an option is unknown or a value stands alone.
  static std::optional<Options> parse(std::span<const std::string> args, const Strings& known, std::ostream& err);

  bool has(std::string_view name) const { return values_.contains(name); }
  Strings list(std::string_view name) const;
  /// Errors: invalid_argument (none, or several).
  Result<std::string> one(std::string_view name) const;
  /// Leaves `out` as it is where the option is not given. Errors: invalid_argument.
  template <class T>
  Result<> number(std::string_view name, T& out) const {
    if (!has(name)) return {};
    SB_TRY(const auto text, one(name));
    SB_TRY(out, number_of<T>(name, text));
    return {};
  }
  /// One of the values of `name`. Errors: invalid_argument.
  template <class T>
  static Result<T> number_of(std::string_view name, const std::string& text) {
    T out{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail(Errc::invalid_argument, fmt::format("{} \"{}\": is not a number it can take", name, text));
    }
    return out;
  }
  /// A number from 0 to 1.
  Result<> rate(std::string_view name, double& out) const;

 private:
  std::map<std::string, Strings, std::less<>> values_;
};

/// What a line's query is: its "text", or its "prompt". Errors: invalid_argument.
Result<std::string> text_of(const json::value& line);

/// Draws a bar on `err` that says `what` is going on.
Progress progress_bar(std::string what, std::ostream& err);

/// Calls `handle` with each line of a JSON lines file (gzip too; "-": `in`) that is not blank; errors name the line.
Result<> each_line(const std::string& source, std::istream& in,
                   const std::function<Result<>(std::string_view line)>& handle);

}  // namespace sb::triage
