#include "cli/triage_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "cli/api_client.h"
#include "replay/trial_report.h"
#include "triage/dataset.h"

namespace sb::cli {
namespace {

constexpr std::array<std::string_view, 6> kLive = {"trials", "versions", "use", "approve", "labels", "learn"};

int show_trials(const Invocation& it) {
  const auto report = call_api(it, "GET", "/api/v1/triage/trials");
  if (!report) return it.fail(report.error());
  it.out << (it.has("json") ? to_text(*report) + "\n" : replay::trial_lines(*report));
  return kExitOk;
}

int list_versions(const Invocation& it) {
  const auto answer = call_api(it, "GET", "/api/v1/triage/versions");
  if (!answer) return it.fail(answer.error());
  if (it.has("json")) {
    it.out << to_text(*answer) << '\n';
    return kExitOk;
  }
  for (const auto& one : find_member(*answer, "versions")->get_array()) {
    it.out << fmt::format("{}  {:<8} {}  document {}  classifier {:<16}  by {}\n", string_member(one, "version"),
                          string_member(one, "state"), string_member(one, "createdAt").substr(0, 19),
                          string_member(one, "triage"), string_member(one, "classifier"), string_member(one, "author"));
  }
  return kExitOk;
}

int act_on_version(const Invocation& it, std::string_view verb) {
  const auto answer =
      call_api(it, "POST", fmt::format("/api/v1/triage/versions/{}/{}", it.position("version"), verb), "{}");
  if (!answer) return it.fail(answer.error());
  it.out << fmt::format("{} is {}\n", string_member(*answer, "version"), string_member(*answer, "state"));
  return kExitOk;
}

// One from the command line, or those of files of JSON lines.
Result<json::array> labels_of(const Invocation& it) {
  json::array out;
  const auto put = [&](std::string_view name, std::string_view text, json::object& label) {
    if (!text.empty()) label[name] = text;
  };
  if (it.rest().empty()) {
    json::object label{{"intent", it.get("intent")}};
    put("text", it.get("text"), label);
    put("run", it.get("run"), label);
    put("route", it.get("route"), label);
    out.push_back(std::move(label));
    return out;
  }
  SB_TRY(const auto labelled, triage::read_dataset(it.rest()));
  for (const auto& example : labelled.examples) {
    json::object label{{"text", example.text}, {"intent", example.intent}};
    put("route", example.route, label);
    out.push_back(std::move(label));
  }
  return out;
}

int add_labels(const Invocation& it) {
  constexpr std::size_t kAtOnce = 1000;
  const auto labels = labels_of(it);
  if (!labels) return it.fail(labels.error());
  std::int64_t added = 0;
  std::int64_t changed = 0;
  std::int64_t known = 0;
  for (std::size_t first = 0; first < labels->size(); first += kAtOnce) {
    const auto end = labels->begin() + static_cast<std::ptrdiff_t>(std::min(first + kAtOnce, labels->size()));
    const json::array some(labels->begin() + static_cast<std::ptrdiff_t>(first), end);
    const auto answer = call_api(it, "POST", "/api/v1/triage/labels", to_text(json::object{{"labels", some}}));
    if (!answer) return it.fail(answer.error());
    added += int_member(*answer, "added");
    changed += int_member(*answer, "changed");
    known += int_member(*answer, "known");
  }
  it.out << fmt::format("{} added, {} changed, {} known\n", added, changed, known);
  return kExitOk;
}

int list_labels(const Invocation& it) {
  std::string after;
  for (;;) {
    const auto query = after.empty() ? std::string() : "&after=" + after;
    const auto answer = call_api(it, "GET", "/api/v1/triage/labels?limit=1000" + query);
    if (!answer) return it.fail(answer.error());
    for (const auto& label : find_member(*answer, "labels")->get_array()) {
      if (it.has("json")) {
        it.out << to_text(label) << '\n';
        continue;
      }
      it.out << fmt::format("{}  {}  {:<10} {:<8} run {}  {}\n", string_member(label, "label"),
                            string_member(label, "createdAt").substr(0, 19), string_member(label, "route"),
                            string_member(label, "origin"), string_member(label, "run"),
                            string_member(label, "intent"));
    }
    after = string_member(*answer, "next");
    if (after.empty()) return kExitOk;
  }
}

int act_on_label(const Invocation& it, std::string_view method) {
  const auto answer = call_api(it, method, "/api/v1/triage/labels/" + it.position("label"));
  if (!answer) return it.fail(answer.error());
  it.out << to_text(*answer) << '\n';
  return kExitOk;
}

int learn(const Invocation& it) {
  const auto answer = call_api(it, "POST", "/api/v1/triage/learn",
                               to_text(json::object{{"held_out", it.has("held-out")}, {"use", !it.has("keep-only")}}));
  if (!answer) return it.fail(answer.error());
  if (it.has("json")) {
    it.out << to_text(*answer) << '\n';
    return kExitOk;
  }
  it.out << fmt::format("{} is {}\n", string_member(*answer, "version"), string_member(*answer, "state"));
  const auto& figures = *find_member(*answer, "figures");
  for (const auto& one : find_member(figures, "learnt")->get_array()) {
    it.out << fmt::format("  {:<40} {} texts, {} of them recognised unseen{}\n", string_member(one, "intent"),
                          int_member(one, "texts"), int_member(one, "recognised"),
                          bool_member(one, "new") ? ", new" : "");
  }
  it.out << fmt::format("  {} of {} texts of other intents taken\n", int_member(figures, "taken"),
                        int_member(figures, "held_against"));
  if (const auto* match = find_member(figures, "held_out")) {
    it.out << fmt::format("  of {} withheld texts {} are right, {} before: {}\n", int_member(*match, "texts"),
                          int_member(*match, "right"), int_member(*match, "right_before"),
                          bool_member(*match, "better") ? "better" : "not proved to be better, only kept");
  }
  if (const auto left_out = int_member(figures, "left_out"); left_out > 0)
    it.out << fmt::format("  {} older texts left out: a version learns from the newest of each intent\n", left_out);
  if (const auto* few = find_member(figures, "too_few")) {
    for (const auto& intent : few->get_array())
      it.out << fmt::format("  {}: too few texts to learn it\n", std::string_view(intent.get_string()));
  }
  return kExitOk;
}

void add_labels_commands(Command& triage) {
  auto& labels = triage.add(Command("labels", "texts of which people say what they ask for"));
  add_api_flags(
      labels.add(Command("add", "label a text, a run's query, or those of files"))
          .about("Files hold JSON lines {\"text\", \"intent\", \"route\"?}, gzip or not. What is known already "
                 "changes nothing.")
          .option("text", "TEXT", "the text")
          .option("run", "ID", "a run whose query it is")
          .option("intent", "NAME", "what it asks for")
          .option("route", "WHO", "who answers a new intent: script, generative or human", "generative")
          .repeated_positions("file", "labelled texts")
          .example("signalbox triage labels add --run ID --intent b77:card_linking", "one run")
          .example("signalbox triage labels add new-intent.jsonl", "those of a file")
          .run(add_labels));
  add_api_flags(labels.add(Command("list", "what is labelled, oldest first, without the texts"))
                    .toggle("json", "as JSON lines")
                    .run(list_labels));
  add_api_flags(labels.add(Command("show", "a label with its text; that is on record"))
                    .required("label", "its id")
                    .run([](const Invocation& it) { return act_on_label(it, "GET"); }));
  add_api_flags(
      labels.add(Command("delete", "take a label back")).required("label", "its id").run([](const Invocation& it) {
        return act_on_label(it, "DELETE");
      }));
  add_api_flags(
      triage.add(Command("learn", "make a version that has learnt from the labels, and put it in force"))
          .about("Beside the weights in force, without training them anew: some 20 labels make a new intent. "
                 "Where triage.approval asks two people, the version waits for the second.")
          .toggle("held-out", "withhold a quarter of the labels, and put it in force only if it is better on these")
          .toggle("keep-only", "keep the version, put it in force later with `use`")
          .toggle("json", "as JSON")
          .example("signalbox triage learn", "from all labels")
          .run(learn));
}

}  // namespace

bool is_live_triage(std::span<const std::string> arguments) {
  return !arguments.empty() && std::ranges::find(kLive, arguments[0]) != kLive.end();
}

int live_triage_command(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
  Command root("signalbox", "");
  auto& triage = root.add(Command("triage", "triage on a running server"));
  add_api_flags(
      triage.add(Command("trials", "how candidates do beside the triage in force"))
          .about("Counts the record of a running server: who decided, where queries went, what they cost, "
                 "what was said of the answers, and what is not known. What is tried stands in signalbox.yaml "
                 "under triage.trials.")
          .toggle("json", "as JSON")
          .example("signalbox triage trials", "all trials of the configuration")
          .run(show_trials));
  add_api_flags(triage.add(Command("versions", "what was ever in force, newest first"))
                    .toggle("json", "as JSON, with what is known of each")
                    .run(list_versions));
  add_api_flags(triage.add(Command("use", "put a version in force, live"))
                    .about("From the next request on; requests in work end as they began. Where triage.approval asks "
                           "two people, it waits for the second.")
                    .required("version", "its id, as `signalbox triage versions` lists it")
                    .run([](const Invocation& it) { return act_on_version(it, "use"); }));
  add_api_flags(triage.add(Command("approve", "a second person's word on a version that waits"))
                    .required("version", "its id")
                    .run([](const Invocation& it) { return act_on_version(it, "approve"); }));
  add_labels_commands(triage);
  std::vector<std::string> all{"triage"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return root.dispatch(all, out, err);
}

}  // namespace sb::cli
