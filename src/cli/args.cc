#include "cli/args.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <iostream>

#include "base/bytes.h"

namespace sb::cli {
namespace {

// Paragraphs wrapped for a terminal; line breaks in the text are kept.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent) {
  constexpr std::size_t kWidth = 100;
  for (const auto line : split(text, '\n')) {
    std::size_t column = indent;
    out.append(indent, ' ');
    bool first = true;
    for (const auto word : split(line, ' ')) {
      if (!first && column + 1 + word.size() > kWidth) {
        out += '\n';
        out.append(indent, ' ');
        column = indent;
        first = true;
      }
      if (!first) out += ' ', ++column;
      out += word;
      column += word.size();
      first = false;
    }
    out += '\n';
  }
}

// "  --set KEY=VALUE   what it is" rows, the second column aligned.
void append_table(std::string& out, std::string_view title,
                  const std::vector<std::pair<std::string, std::string>>& rows) {
  if (rows.empty()) return;
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  width = std::min<std::size_t>(width, 32);
  out += fmt::format("\n{}:\n", title);
  for (const auto& [left, right] : rows) {
    std::string text;
    append_wrapped(text, right, width + 4);
    // The first line's indent is where the left column goes.
    out += left.size() <= width ? fmt::format("  {:<{}}  ", left, width) + text.substr(width + 4)
                                : fmt::format("  {}\n{}", left, text);
  }
}

}  // namespace

bool Invocation::has(std::string_view flag) const {
  SB_ASSERT(command_.find_flag(flag));
  return flags_.contains(flag);
}

std::string Invocation::get(std::string_view flag) const {
  const auto* declared = command_.find_flag(flag);
  SB_ASSERT(declared && !declared->repeatable);
  const auto found = flags_.find(flag);
  return found == flags_.end() ? declared->otherwise : found->second.back();
}

std::vector<std::string> Invocation::all(std::string_view flag) const {
  SB_ASSERT(command_.find_flag(flag));
  const auto found = flags_.find(flag);
  return found == flags_.end() ? std::vector<std::string>() : found->second;
}

Result<std::int64_t> Invocation::integer(std::string_view flag, std::int64_t min, std::int64_t max) const {
  const auto text = get(flag);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return sb::fail(Errc::invalid_argument, fmt::format("--{}: expected an integer from {} to {}", flag, min, max),
                    std::string(flag));
  }
  return value;
}

std::string Invocation::position(std::string_view name) const {
  const auto found = positions_.find(name);
  return found == positions_.end() ? std::string() : found->second;
}

int Invocation::fail(const Error& error) const {
  err << command_.path() << ": " << error.detail << "\n";
  return kExitFailed;
}

Command::Command(std::string name, std::string summary) : name_(std::move(name)), summary_(std::move(summary)) {}
Command::~Command() = default;

Command::Command(Command&& other) noexcept
    : name_(std::move(other.name_)),
      summary_(std::move(other.summary_)),
      about_(std::move(other.about_)),
      version_(std::move(other.version_)),
      flags_(std::move(other.flags_)),
      positions_(std::move(other.positions_)),
      examples_(std::move(other.examples_)),
      below_(std::move(other.below_)),
      above_(other.above_),
      handler_(std::move(other.handler_)) {
  for (auto& command : below_) command->above_ = this;
}

Command& Command::about(std::string text) {
  about_ = std::move(text);
  return *this;
}

Command& Command::option(std::string flag, std::string value, std::string help, std::string otherwise) {
  SB_ASSERT(!find_flag(flag) && !value.empty());
  flags_.push_back({std::move(flag), std::move(value), std::move(help), std::move(otherwise), false});
  return *this;
}

Command& Command::repeated(std::string flag, std::string value, std::string help) {
  SB_ASSERT(!find_flag(flag) && !value.empty());
  flags_.push_back({std::move(flag), std::move(value), std::move(help), "", true});
  return *this;
}

Command& Command::toggle(std::string flag, std::string help) {
  SB_ASSERT(!find_flag(flag));
  flags_.push_back({std::move(flag), "", std::move(help), "", false});
  return *this;
}

Command& Command::required(std::string position, std::string help) {
  SB_ASSERT(positions_.empty() || positions_.back().required);
  positions_.push_back({std::move(position), std::move(help), true, false});
  return *this;
}

Command& Command::optional(std::string position, std::string help) {
  SB_ASSERT(positions_.empty() || !positions_.back().repeatable);
  positions_.push_back({std::move(position), std::move(help), false, false});
  return *this;
}

Command& Command::repeated_positions(std::string position, std::string help) {
  SB_ASSERT(positions_.empty() || !positions_.back().repeatable);
  positions_.push_back({std::move(position), std::move(help), false, true});
  return *this;
}

Command& Command::example(std::string line, std::string what) {
  examples_.push_back({std::move(line), std::move(what)});
  return *this;
}

Command& Command::run(Handler handler) {
  SB_ASSERT(below_.empty());
  handler_ = std::move(handler);
  return *this;
}

Command& Command::version(std::string text) {
  version_ = std::move(text);
  return *this;
}

Command& Command::add(Command below) {
  SB_ASSERT(!handler_ && !find_below(below.name_));
  below_.push_back(std::make_unique<Command>(std::move(below)));
  below_.back()->above_ = this;
  return *below_.back();
}

const Command::Flag* Command::find_flag(std::string_view name) const {
  const auto found = std::ranges::find(flags_, name, &Flag::name);
  return found == flags_.end() ? nullptr : &*found;
}

const Command* Command::find_below(std::string_view name) const {
  const auto found = std::ranges::find_if(below_, [&](const auto& command) { return command->name_ == name; });
  return found == below_.end() ? nullptr : found->get();
}

std::string Command::path() const {
  return above_ ? above_->path() + " " + name_ : name_;
}

std::vector<const Command*> Command::leaves() const {
  if (below_.empty()) return {this};
  std::vector<const Command*> all;
  for (const auto& command : below_) {
    const auto deeper = command->leaves();
    all.insert(all.end(), deeper.begin(), deeper.end());
  }
  return all;
}

int Command::main(int argc, char** argv) const {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  return dispatch(arguments, std::cout, std::cerr);
}

int Command::dispatch(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) const {
  if (!below_.empty()) return choose_below(arguments, out, err);
  // Before anything is checked: who asks for help has no complete line yet. Behind "--" it is a position.
  const auto flags_end = std::ranges::find(arguments, "--");
  if (std::any_of(arguments.begin(), flags_end, [](const auto& a) { return a == "--help" || a == "-h"; })) {
    out << help();
    return kExitOk;
  }
  Invocation invocation(*this, out, err);
  if (const auto parsed = parse(arguments, invocation); !parsed) return usage_error(err, parsed.error().detail);
  SB_ASSERT(handler_);
  const int status = handler_(invocation);
  out.flush();
  if (!out) {
    err << path() << ": standard output cannot be written\n";
    return kExitFailed;
  }
  return status;
}

int Command::choose_below(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) const {
  if (arguments.empty()) {
    err << help();
    return kExitUsage;
  }
  const auto& word = arguments.front();
  if (word == "--version" && !version_.empty()) {
    out << version_ << "\n";
    return kExitOk;
  }
  if (word == "--help" || word == "-h" || (word == "help" && arguments.size() == 1)) {
    out << help();
    return kExitOk;
  }
  if (word == "help") {
    // "help config check" is "config check --help".
    std::vector<std::string> turned(arguments.begin() + 1, arguments.end());
    turned.emplace_back("--help");
    return dispatch(turned, out, err);
  }
  if (const auto* command = find_below(word)) return command->dispatch(arguments.subspan(1), out, err);
  std::vector<std::string> names;
  for (const auto& command : below_) names.push_back(command->name_);
  if (word.starts_with('-'))
    return usage_error(err, fmt::format("{}: flags come behind the command; one of: {}", word, fmt::join(names, ", ")));
  const auto near = nearest(word, names);
  return usage_error(err, near ? fmt::format("unknown command \"{}\"; did you mean \"{}\"?", word, *near)
                               : fmt::format("unknown command \"{}\"; one of: {}", word, fmt::join(names, ", ")));
}

Result<> Command::parse(std::span<const std::string> arguments, Invocation& into) const {
  std::size_t position = 0;
  bool flags_ended = false;
  for (std::size_t i = 0; i < arguments.size();) {
    const auto& argument = arguments[i];
    if (!flags_ended && argument == "--") {
      flags_ended = true;
      ++i;
    } else if (!flags_ended && argument.size() > 1 && argument.starts_with('-')) {
      SB_TRY(const auto used, parse_flag(arguments, i, into));
      i += used;
    } else {
      SB_CHECK(parse_position(argument, position++, into));
      ++i;
    }
  }
  for (const auto& declared : positions_) {
    if (declared.required && !into.positions_.contains(declared.name)) {
      return fail(Errc::invalid_argument, fmt::format("{} is missing: {}", declared.name, declared.help));
    }
  }
  return {};
}

// Answers how many arguments it took.
Result<std::size_t> Command::parse_flag(std::span<const std::string> arguments, std::size_t index,
                                        Invocation& into) const {
  const std::string_view argument = arguments[index];
  const auto equals = argument.find('=');
  const auto written = argument.substr(0, equals);
  const auto name = written.starts_with("--") ? written.substr(2) : std::string_view();
  const auto* flag = find_flag(name);
  if (!flag) {
    std::vector<std::string> names{"--help"};
    for (const auto& declared : flags_) names.push_back("--" + declared.name);
    const auto near = nearest(written, names);
    return fail(Errc::invalid_argument,
                near ? fmt::format("unknown flag {}; did you mean {}?", written, *near)
                     : fmt::format("unknown flag {}; known: {}", written, fmt::join(names, ", ")));
  }
  if (!flag->repeatable && into.flags_.contains(name))
    return fail(Errc::invalid_argument, fmt::format("{} is given twice", written));
  auto& values = into.flags_[flag->name];
  if (flag->value.empty()) {
    if (equals != std::string_view::npos)
      return fail(Errc::invalid_argument, fmt::format("{} takes no value", written));
    return 1;
  }
  if (equals != std::string_view::npos) {
    values.emplace_back(argument.substr(equals + 1));
    return 1;
  }
  // "--data --listen x" is a forgotten value; a value that begins so is written with "=".
  if (index + 1 == arguments.size() || arguments[index + 1].starts_with("--")) {
    return fail(Errc::invalid_argument, fmt::format("{0} needs a value: {0}={1}", written, flag->value));
  }
  values.push_back(arguments[index + 1]);
  return 2;
}

Result<> Command::parse_position(const std::string& value, std::size_t index, Invocation& into) const {
  const bool into_rest = !positions_.empty() && positions_.back().repeatable && index + 1 >= positions_.size();
  if (into_rest) {
    into.rest_.push_back(value);
  } else if (index < positions_.size()) {
    into.positions_[positions_[index].name] = value;
  } else {
    // Not repeated back: it may be a secret that lost its flag.
    return fail(Errc::invalid_argument, "one argument too many");
  }
  return {};
}

int Command::usage_error(std::ostream& err, std::string_view what) const {
  err << fmt::format("{}: {}\n{}Help: {} --help\n", path(), what, usage_line(), path());
  return kExitUsage;
}

std::string Command::usage_line() const {
  std::string line = "Usage: " + path();
  if (!below_.empty()) line += " COMMAND";
  for (const auto& position : positions_) {
    const auto dots = position.repeatable ? "..." : "";
    line += position.required ? " " + position.name : fmt::format(" [{}{}]", position.name, dots);
  }
  if (!flags_.empty()) line += " [flags]";
  return line + "\n";
}

std::string Command::help() const {
  std::string out = fmt::format("{}: {}\n", path(), summary_);
  if (!about_.empty()) {
    out += '\n';
    append_wrapped(out, about_, 0);
  }
  out += "\n" + usage_line();
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& command : below_) rows.emplace_back(command->name_, command->summary_);
  append_table(out, "Commands", rows);
  rows.clear();
  for (const auto& position : positions_) rows.emplace_back(position.name, position.help);
  append_table(out, "Arguments", rows);
  rows.clear();
  for (const auto& flag : flags_) {
    std::string help = flag.help;
    if (!flag.otherwise.empty()) help += fmt::format(" (default: {})", flag.otherwise);
    if (flag.repeatable) help += " (any number of times)";
    rows.emplace_back(flag.value.empty() ? "--" + flag.name : fmt::format("--{} {}", flag.name, flag.value), help);
  }
  append_table(out, "Flags", rows);
  if (!examples_.empty()) out += "\nExamples:\n";
  for (const auto& example : examples_) out += fmt::format("  # {}\n  {}\n", example.what, example.line);
  if (!below_.empty()) out += fmt::format("\n\"{} COMMAND --help\" shows one command with examples.\n", path());
  return out;
}

}  // namespace sb::cli
