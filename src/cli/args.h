/// The command line: a tree of commands with long flags, help that teaches by example, and errors that name the nearest
/// thing that exists. Used by every subcommand of `signalbox`.
///
///     Command root("signalbox", "one server between applications and AI models");
///     root.add(Command("keys", "API keys"))
///         .add(Command("create", "make a key and show it once"))
///         .option("name", "TEXT", "what the key is for")
///         .example("signalbox keys create --name desk", "a key for the desk application")
///         .run([](const Invocation& it) { ... return kExitOk; });
///     return root.main(argc, argv);
///
/// Forms: `--flag=value`, `--flag value`, `--switch`, `--` (the rest are positions), `-h`, `--help`, `help COMMAND`.
/// Not thread-safe; lives for one command line.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  ///< understood, but it did not work
inline constexpr int kExitUsage = 2;   ///< the command line itself is wrong

class Command;

/// A parsed command line, and where the command writes.
class Invocation {
 public:
  std::ostream& out;
  std::ostream& err;

  bool has(std::string_view flag) const;
  /// The flag's value, or its declared default, or empty. Asserts that the command declares the flag.
  std::string get(std::string_view flag) const;
  /// All values of a repeatable flag, in order.
  std::vector<std::string> all(std::string_view flag) const;
  /// Errors: invalid_argument (not an integer of that range).
  Result<std::int64_t> integer(std::string_view flag, std::int64_t min, std::int64_t max) const;
  /// The value of a position by its declared name, empty where it was left out.
  std::string position(std::string_view name) const;
  /// All values of the last, repeatable position.
  const std::vector<std::string>& rest() const { return rest_; }

  /// Prints "signalbox config check: <detail>" and answers kExitFailed: the last line of a command that did not work.
  int fail(const Error& error) const;

 private:
  friend class Command;
  Invocation(const Command& command, std::ostream& o, std::ostream& e) : out(o), err(e), command_(command) {}
  const Command& command_;
  std::map<std::string, std::vector<std::string>, std::less<>> flags_;
  std::map<std::string, std::string, std::less<>> positions_;
  std::vector<std::string> rest_;
};

class Command {
 public:
  using Handler = std::function<int(const Invocation&)>;

  /// `summary`: one line without a full stop, for the list of commands.
  Command(std::string name, std::string summary);
  ~Command();
  Command(Command&&) noexcept;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Each answers the command itself, so that a declaration reads as one.
  Command& about(std::string text);  ///< a paragraph or two for its help
  Command& option(std::string flag, std::string value, std::string help, std::string otherwise = "");
  Command& repeated(std::string flag, std::string value, std::string help);
  Command& toggle(std::string flag, std::string help);
  Command& required(std::string position, std::string help);
  Command& optional(std::string position, std::string help);
  Command& repeated_positions(std::string position, std::string help);  ///< the last; any number, also none
  Command& example(std::string line, std::string what);
  Command& run(Handler handler);
  Command& version(std::string text);  ///< of the root: answers --version

  /// Adds a command below this one, which then has no handler of its own. Answers the new one.
  Command& add(Command below);

  /// Parses and runs. `arguments` without the program's name.
  /// Answers the handler's exit status, kExitOk for help, kExitUsage for a line that cannot be understood.
  int dispatch(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) const;
  /// `dispatch` on standard output and error.
  int main(int argc, char** argv) const;

  std::string help() const;
  std::string path() const;  ///< "signalbox config check"
  /// All commands of the tree that run something, for the reference page and for tests.
  std::vector<const Command*> leaves() const;

 private:
  friend class Invocation;
  struct Flag {
    std::string name;
    std::string value;  ///< what its value is called; empty for a switch
    std::string help;
    std::string otherwise;
    bool repeatable = false;
  };
  struct Position {
    std::string name;
    std::string help;
    bool required = false;
    bool repeatable = false;
  };
  struct Example {
    std::string line;
    std::string what;
  };

  const Flag* find_flag(std::string_view name) const;
  const Command* find_below(std::string_view name) const;
  int choose_below(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) const;
  Result<> parse(std::span<const std::string> arguments, Invocation& into) const;
  Result<std::size_t> parse_flag(std::span<const std::string> arguments, std::size_t index, Invocation& into) const;
  Result<> parse_position(const std::string& value, std::size_t index, Invocation& into) const;
  int usage_error(std::ostream& err, std::string_view what) const;
  std::string usage_line() const;

  std::string name_;
  std::string summary_;
  std::string about_;
  std::string version_;
  std::vector<Flag> flags_;
  std::vector<Position> positions_;
  std::vector<Example> examples_;
  std::vector<std::unique_ptr<Command>> below_;
  Command* above_ = nullptr;
  Handler handler_;
};

}  // namespace sb::cli
