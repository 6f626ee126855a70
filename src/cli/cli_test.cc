#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/errors.h"
#include "cli/args.h"
#include "cli/config_command.h"

namespace sb::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

Outcome dispatch(const Command& root, std::vector<std::string> arguments) {
  std::ostringstream out, err;
  const int status = root.dispatch(arguments, out, err);
  return {status, out.str(), err.str()};
}

// Prints what it was given.
Command tool() {
  Command root("tool", "does things");
  root.version("tool 1.2");
  root.add(Command("paint", "paint a wall"))
      .about("Paints.")
      .required("WALL", "which wall")
      .optional("COAT", "how many coats")
      .option("color", "NAME", "the color", "white")
      .option("width", "CM", "of the brush", "10")
      .repeated("layer", "NAME", "a layer")
      .toggle("fast", "hurry")
      .example("tool paint north --color=red", "paint the north wall red")
      .run([](const Invocation& it) {
        const auto width = it.integer("width", 1, 99);
        if (!width) return it.fail(width.error());
        it.out << it.position("WALL") << "/" << it.position("COAT") << "/" << it.get("color") << "/" << *width << "/"
               << it.has("fast");
        for (const auto& layer : it.all("layer")) it.out << "," << layer;
        return kExitOk;
      });
  auto& garden = root.add(Command("garden", "the garden"));
  garden.add(Command("plant", "plant things")).repeated_positions("PLANT", "what").run([](const Invocation& it) {
    for (const auto& plant : it.rest()) it.out << plant << ";";
    return 3;
  });
  return root;
}

TEST(Args, FlagsPositionsAndDefaultsArriveInEveryForm) {
  EXPECT_EQ(dispatch(tool(), {"paint", "north"}).out, "north//white/10/0");
  EXPECT_EQ(dispatch(tool(), {"paint", "--color=red", "north", "2", "--fast"}).out, "north/2/red/10/1");
  EXPECT_EQ(dispatch(tool(), {"paint", "--color", "a=b", "north", "--layer", "x", "--layer=--y"}).out,
            "north//a=b/10/0,x,--y");
  EXPECT_EQ(dispatch(tool(), {"paint", "--color=", "--", "--north"}).out, "--north///10/0");
  EXPECT_EQ(dispatch(tool(), {"paint", "-"}).out, "-//white/10/0");
  EXPECT_EQ(dispatch(tool(), {"paint", "--", "--help"}).out, "--help//white/10/0");
  const auto planted = dispatch(tool(), {"garden", "plant", "a", "b", "--", "--c"});
  EXPECT_EQ(planted.out, "a;b;--c;");
  EXPECT_EQ(planted.status, 3);
}

struct Misuse {
  const char* name;
  std::vector<std::string> arguments;
  const char* error;
};
class ArgsMisuse : public testing::TestWithParam<Misuse> {};

TEST_P(ArgsMisuse, IsNamedWithTheWayOut) {
  const auto outcome = dispatch(tool(), GetParam().arguments);
  EXPECT_EQ(outcome.status, kExitUsage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().error));
  EXPECT_THAT(outcome.err, Not(HasSubstr("hunter2")));
}
const Misuse kMisuses[] = {
    {"no_command", {}, "Commands:\n  paint   paint a wall\n"},
    {"unknown_command", {"paints"}, "tool: unknown command \"paints\"; did you mean \"paint\"?"},
    {"unknown_far_command", {"xxxxxxxxxx"}, "one of: paint, garden"},
    {"flag_before_command", {"--fast", "paint"}, "flags come behind the command"},
    {"unknown_flag", {"paint", "n", "--colour=x"}, "tool paint: unknown flag --colour; did you mean --color?"},
    {"unknown_flag_below", {"garden", "plant", "--zzzzzzzzzz"}, "unknown flag --zzzzzzzzzz; known: --help"},
    {"short_flag", {"paint", "n", "-x"}, "unknown flag -x"},
    {"twice", {"paint", "n", "--color=a", "--color=b"}, "--color is given twice"},
    {"switch_with_value", {"paint", "n", "--fast=yes"}, "--fast takes no value"},
    {"value_missing", {"paint", "n", "--color"}, "--color needs a value: --color=NAME"},
    {"value_forgotten", {"paint", "n", "--color", "--fast"}, "--color needs a value"},
    {"position_missing",
     {"paint"},
     "WALL is missing: which wall\nUsage: tool paint WALL [COAT] [flags]\nHelp: tool paint --help"},
    {"position_too_many", {"paint", "n", "2", "hunter2"}, "one argument too many"},
    {"below_missing", {"garden"}, "tool garden: the garden"},
    {"unknown_below", {"garden", "plan"}, "tool garden: unknown command \"plan\"; did you mean \"plant\"?"},
};
INSTANTIATE_TEST_SUITE_P(Cases, ArgsMisuse, testing::ValuesIn(kMisuses),
                         [](const auto& info) { return info.param.name; });

TEST(Args, AWrongNumberIsAFailureOfTheCommand) {
  for (const auto* text : {"x", "0", "100", "1x", "", "99999999999999999999"}) {
    const auto outcome = dispatch(tool(), {"paint", "n", "--width=" + std::string(text)});
    EXPECT_EQ(outcome.status, kExitFailed) << text;
    EXPECT_EQ(outcome.err, "tool paint: --width: expected an integer from 1 to 99\n") << text;
  }
}

TEST(Args, HelpTeachesByExampleWhereverItIsAskedFor) {
  const auto help = dispatch(tool(), {"paint", "--help"});
  EXPECT_EQ(help.status, kExitOk);
  EXPECT_EQ(help.out,
            "tool paint: paint a wall\n\nPaints.\n\nUsage: tool paint WALL [COAT] [flags]\n"
            "\nArguments:\n  WALL  which wall\n  COAT  how many coats\n"
            "\nFlags:\n  --color NAME  the color (default: white)\n  --width CM    of the brush (default: 10)\n"
            "  --layer NAME  a layer (any number of times)\n  --fast        hurry\n"
            "\nExamples:\n  # paint the north wall red\n  tool paint north --color=red\n");
  EXPECT_EQ(dispatch(tool(), {"paint", "--bad", "-h"}).out, help.out);
  EXPECT_EQ(dispatch(tool(), {"help", "paint"}).out, help.out);
  EXPECT_EQ(dispatch(tool(), {"help", "garden", "plant"}).out, dispatch(tool(), {"garden", "plant", "--help"}).out);
  EXPECT_EQ(dispatch(tool(), {"help"}).out, dispatch(tool(), {"--help"}).out);
  EXPECT_EQ(dispatch(tool(), {"--version"}).out, "tool 1.2\n");
  EXPECT_EQ(dispatch(tool(), {"help", "pain"}).status, kExitUsage);
}

TEST(Args, LongHelpIsWrapped) {
  Command command("t", "s");
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word ";
  command.about(words).option("x", "Y", words).run([](const Invocation&) { return 0; });
  std::istringstream lines(command.help());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 101U) << line;
}

TEST(Args, EveryLeafOfATreeIsListed) {
  const auto root = tool();
  std::vector<std::string> paths;
  for (const auto* leaf : root.leaves()) paths.push_back(leaf->path());
  EXPECT_THAT(paths, testing::ElementsAre("tool paint", "tool garden plant"));
}

class ConfigCommand : public testing::Test {
 protected:
  std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / ("sb_cli_" + std::to_string(::getpid()));
  ConfigCommand() { std::filesystem::create_directories(dir); }
  ~ConfigCommand() override { std::filesystem::remove_all(dir); }
  std::string file(std::string_view text) {
    const auto path = (dir / "signalbox.yaml").string();
    std::ofstream(path) << text;
    return path;
  }
  static Outcome run(std::vector<std::string> arguments) {
    Command root("signalbox", "test");
    root.add(config_command());
    arguments.insert(arguments.begin(), "config");
    return dispatch(root, arguments);
  }
  static std::string slurp(const std::filesystem::path& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
};

TEST_F(ConfigCommand, CheckSaysWhatAValidFileHolds) {
  const auto path = file("providers: {p: {base_url: http://h/v1, models: {m: {}}}}\n");
  EXPECT_EQ(run({"check", path}).out, path + ": valid; 1 provider, 1 model, 0 tiers; listens on 127.0.0.1:8080\n");
  EXPECT_EQ(run({"check", "--config", path, "--set", "server.listen=[::1]:1"}).out,
            path + ": valid; 1 provider, 1 model, 0 tiers; listens on [::1]:1\n");
}

TEST_F(ConfigCommand, CheckReportsEveryProblemOnItsLine) {
  const auto path = file("servr: {}\ncurrency: euro\n");
  const auto outcome = run({"check", path});
  EXPECT_EQ(outcome.status, kExitFailed);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              HasSubstr(path + ":1:1: servr: unknown key; did you mean \"server\"?\n" + path + ":2:11: currency: "));
  EXPECT_THAT(outcome.err, HasSubstr("2 problems"));
  EXPECT_EQ(run({"check", dir / "none.yaml"}).status, kExitFailed);
  EXPECT_EQ(run({"check", path, "--config", path}).status, kExitFailed);
}

TEST_F(ConfigCommand, CheckLooksForSecretsUnlessToldNotTo) {
  ::unsetenv("SB_TEST_UNSET");
  const auto path = file("providers: {p: {base_url: http://h/v1, api_key: env:SB_TEST_UNSET}}\n");
  const auto outcome = run({"check", path});
  EXPECT_EQ(outcome.status, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("providers.p.api_key: env:SB_TEST_UNSET: not set"));
  EXPECT_EQ(run({"check", path, "--without-secrets"}).status, kExitOk);
}

TEST_F(ConfigCommand, DocsAndSchemaAreTheCommittedTexts) {
  EXPECT_EQ(run({"schema"}).out, slurp("docs/reference/signalbox.schema.json"));
  EXPECT_EQ(run({"docs", "--dir", dir}).status, kExitOk);
  EXPECT_EQ(slurp(dir / "configuration.md"), slurp("docs/reference/configuration.md"));
  EXPECT_EQ(slurp(dir / "signalbox.schema.json"), slurp("docs/reference/signalbox.schema.json"));
  const auto failed = run({"docs", "--dir", dir / "none"});
  EXPECT_EQ(failed.status, kExitFailed);
  EXPECT_THAT(failed.err, HasSubstr("signalbox.schema.json: cannot be written"));
}

TEST_F(ConfigCommand, OtherCommandsFindTheirConfigurationByTheSameFlags) {
  const auto path = file("currency: EUR\n");
  std::string seen;
  Command root("serve", "test");
  add_config_flags(root).run([&](const Invocation& it) {
    const std::vector<std::string> more{"server.listen=127.0.0.1:1"};
    const auto config = config_from(it, more);
    if (!config) return it.fail(config.error());
    seen = config->currency + " " + config->server.listen;
    return kExitOk;
  });
  EXPECT_EQ(dispatch(root, {"--config", path, "--set", "server.listen=x:2"}).status, kExitOk);
  EXPECT_EQ(seen, "EUR 127.0.0.1:1");
  const auto failed = dispatch(root, {"--config", path, "--set", "a=b"});
  EXPECT_EQ(failed.status, kExitFailed);
  EXPECT_THAT(failed.err, HasSubstr("serve: configuration: a: unknown key"));
}

TEST(ErrorPages, EveryCodeHasItsPageAndItsLineInTheIndex) {
  std::ostringstream index;
  index << std::ifstream("docs/errors/README.md").rdbuf();
  std::size_t pages = 0;
  for (int number = 1; number <= 99; ++number) {
    const std::string name(to_string(static_cast<Errc>(number)));
    if (name == "internal" && number != 99) continue;
    ++pages;
    const auto page = "docs/errors/" + name + ".md";
    EXPECT_TRUE(std::filesystem::exists(page)) << page;
    EXPECT_THAT(index.str(), HasSubstr("| [" + name + "](" + name + ".md) | " + std::to_string(number) + " |"));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator("docs/errors"), {}),
            static_cast<std::ptrdiff_t>(pages + 1));
}

}  // namespace
}  // namespace sb::cli
