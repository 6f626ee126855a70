#include "cli/triage_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "cli/api_client.h"
#include "replay/trial_report.h"

namespace sb::cli {
namespace {

constexpr std::array<std::string_view, 4> kLive = {"trials", "versions", "use", "approve"};

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
  std::vector<std::string> all{"triage"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return root.dispatch(all, out, err);
}

}  // namespace sb::cli
