#include "cli/reviews_command.h"

#include <fmt/format.h>

#include <ostream>

#include "cli/api_client.h"

namespace sb::cli {
namespace {

int print_or_fail(const Invocation& it, const Result<json::value>& answer) {
  if (!answer) return it.fail(answer.error());
  it.out << to_text(*answer) << '\n';
  return kExitOk;
}

int list_reviews(const Invocation& it) {
  const auto answer = call_api(it, "GET", "/api/v1/reviews?limit=1000&state=" + it.get("state"));
  if (!answer) return it.fail(answer.error());
  if (it.has("json")) return print_or_fail(it, answer);
  const auto* reviews = find_member(*answer, "reviews");
  const auto& rows = reviews->get_array();
  if (rows.empty()) it.out << "nothing waits\n";
  for (const auto& row : rows) {
    it.out << fmt::format("{}  {:<9} {}  {}\n", string_member(row, "id"), string_member(row, "state"),
                          string_member(row, "createdAt").substr(0, 19), string_member(row, "reason"));
  }
  return kExitOk;
}

int act(const Invocation& it, std::string_view verb) {
  json::object body;
  if (verb == "edit") body["text"] = it.get("text");
  if (verb == "edit" || verb == "reject") {
    if (const auto reason = it.get("reason"); !reason.empty()) body["reason"] = reason;
  }
  if (const auto intent = it.get("intent"); !intent.empty()) body["intent"] = intent;
  return print_or_fail(
      it, call_api(it, "POST", fmt::format("/api/v1/reviews/{}/{}", it.position("id"), verb), to_text(body)));
}

}  // namespace

Command reviews_command() {
  Command reviews("reviews", "what waits for a person, and a person's word on it");
  add_api_flags(reviews.add(Command("list", "the queue, most urgent first"))
                    .option("state", "STATE", "open, claimed, approved, edited, rejected", "open")
                    .toggle("json", "as JSON")
                    .example("signalbox reviews list", "what is open now")
                    .run(list_reviews));
  add_api_flags(reviews.add(Command("show", "one review with its question"))
                    .required("id", "the review's id")
                    .run([](const Invocation& it) {
                      return print_or_fail(it, call_api(it, "GET", "/api/v1/reviews/" + it.position("id")));
                    }));
  add_api_flags(reviews.add(Command("claim", "keep others from deciding it for five minutes"))
                    .required("id", "the review's id")
                    .run([](const Invocation& it) { return act(it, "claim"); }));
  add_api_flags(
      reviews.add(Command("approve", "the proposal becomes the answer"))
          .required("id", "the review's id")
          .option("intent", "NAME", "what the query asks for, as the classifier calls it: a label to learn from")
          .run([](const Invocation& it) { return act(it, "approve"); }));
  add_api_flags(
      reviews.add(Command("edit", "another text becomes the answer"))
          .required("id", "the review's id")
          .option("text", "TEXT", "the answer")
          .option("reason", "REASON", "why, for the record")
          .example("signalbox reviews edit ID --text 'We have blocked your card.'", "answers with that text")
          .option("intent", "NAME", "what the query asks for, as the classifier calls it: a label to learn from")
          .run([](const Invocation& it) { return act(it, "edit"); }));
  add_api_flags(
      reviews.add(Command("reject", "the run ends without an answer"))
          .required("id", "the review's id")
          .option("reason", "REASON", "why, for the record")
          .option("intent", "NAME", "what the query asks for, as the classifier calls it: a label to learn from")
          .run([](const Invocation& it) { return act(it, "reject"); }));
  return reviews;
}

}  // namespace sb::cli
