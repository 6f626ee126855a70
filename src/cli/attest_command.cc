#include "cli/attest_command.h"

#include <fmt/format.h>

#include <fstream>
#include <ostream>
#include <sstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "cli/api_client.h"

namespace sb::cli {
namespace {

Result<std::string> digest_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) return fail(Errc::not_found, fmt::format("cannot read {}", path));
  return to_hex(sha256(bytes.str()));
}

int attest(const Invocation& it, std::string_view kind) {
  json::object body{{"kind", kind}, {"name", it.get("name")}};
  if (kind == "drill" && it.has("result")) body["result"] = it.get("result");
  if (it.has("file")) {
    const auto digest = digest_of_file(it.get("file"));
    if (!digest) return it.fail(digest.error());
    body["sha256"] = *digest;
  }
  const auto answer = call_api(it, "POST", "/api/v1/attestations", to_text(body));
  if (!answer) return it.fail(answer.error());
  it.out << to_text(*answer) << '\n';
  return kExitOk;
}

}  // namespace

Command attest_command() {
  Command attest_all("attest", "puts a drill that was held, or a report that was given, on the record");
  add_api_flags(attest_all.add(Command("drill", "an exercise, such as a restore into another directory"))
                    .option("name", "LABEL", "which: up to 64 of a-z, 0-9, '-', '.' and '_'; no names of people")
                    .option("result", "RESULT", "passed or failed")
                    .option("file", "FILE", "its protocol: the record keeps the SHA-256, the file stays with you")
                    .example("signalbox mirror check --from s3://records/box-1 --data DATA --mirror-key env:KEY && "
                             "signalbox attest drill --name restore --result passed",
                             "a restore that was tried, on the record")
                    .run([](const Invocation& it) { return attest(it, "drill"); }));
  add_api_flags(attest_all.add(Command("report", "a document that was given to somebody"))
                    .option("name", "LABEL", "which: up to 64 of a-z, 0-9, '-', '.' and '_'; no names of people")
                    .option("file", "FILE", "the document: the record keeps its SHA-256")
                    .example("signalbox attest report --name review-2026-q4 --file review.pdf",
                             "who gave it, and when, can be proved later")
                    .run([](const Invocation& it) { return attest(it, "report"); }));
  return attest_all;
}

}  // namespace sb::cli
