#include "audit/opening.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <optional>

#include "audit/leaf.h"
#include "audit/log.h"
#include "base/bytes.h"
#include "http/client.h"
#include "keys/derived_keys.h"
#include "keys/pseudonym.h"
#include "store/sqlite/record_reader.h"
#include "store/sqlite/sqlite_store.h"

namespace sb::audit {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr Micros kRepeatedUs =
    11 * 60 * Micros{1'000'000};  // what a server is told again within ten minutes it has recorded once

Result<> wait(asio::io_context& io, Task<Result<>> task) {
  Result<> result = fail(Errc::internal, "the work was dropped");
  asio::co_spawn(io, std::move(task), [&](const std::exception_ptr&, Result<> got) {
    result = std::move(got);
    io.stop();
  });
  io.restart();
  io.run();
  return result;
}

Task<Result<>> ask(http::Client& client, http::ClientRequest request) {
  const std::string place = request.origin.authority();
  auto response = co_await client.send(std::move(request));
  if (!response) co_return fail(Errc::unavailable, fmt::format("{}: {}", place, response.error().detail));
  const int status = (*response)->status();
  (void)co_await (*response)->read_all(kAnswerBytesMax);
  if (status == 200) co_return Result<>();
  co_return fail(
      status == 401 || status == 403 ? Errc::permission_denied : Errc::unavailable,
      fmt::format("{}: the server answers {} and has not recorded that the content is opened", place, status));
}

Result<> ask_server(const Flags& flags, const CommandOpening& opening) {
  SB_TRY(const http::Url url, http::Url::parse(flags.get("--url")));
  SB_TRY(const std::string key, api_key_of(flags));
  http::ClientRequest request;
  request.method = "POST";
  request.origin = url;
  json::object said = opening.summary;
  if (!opening.run) said["tenant"] = opening.tenant;
  const std::string body = opening.run ? std::string() : to_text(said);
  request.target = opening.run ? fmt::format("{}/api/v1/runs/{}/disclosures", url.path, opening.run->to_string())
                               : url.path + "/api/v1/disclosures";
  request.body = body;
  if (!key.empty()) request.headers.add("authorization", "Bearer " + key);
  asio::io_context io(1);
  const auto client = http::Client::create(io, {});
  return wait(io, ask(*client, std::move(request)));
}

// Any server can answer 200; the one that works on this directory has written the leaf there, now or when the same
// person asked a moment ago.
Result<> find_opening(const store::DataDir& data, const CommandOpening& opening) {
  SB_TRY(const auto record, store::sqlite::RecordReader::open(data.database()));
  const Micros since = system_clock().now_us() - kRepeatedUs;
  const std::string run = opening.run ? opening.run->to_string() : std::string();
  const std::string what = to_text(json::object{{"what", opening.summary.at("what")}});
  const std::string_view member = std::string_view(what).substr(1, what.size() - 2);
  for (;;) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) break;
    SB_TRY(const LeafFields fields, parse_leaf(leaf->bytes));
    const bool is_opening = fields.kind == "record.opened" && fields.time_us >= since;
    if (is_opening && fields.run == run && fields.summary.contains(member)) return {};
  }
  return fail(Errc::conflict,
              fmt::format("the server answers that it has recorded who opens the content, and {} has no "
                          "such leaf: it works on another data directory",
                          data.path()));
}

Task<Result<>> commit_durably(store::Store& store, store::Commit commit) {
  SB_CO_CHECK(co_await store.commit(std::move(commit)));
  co_return co_await store.flush();
}

Result<> append_leaf(const Flags& flags, const store::DataDir& data, const CommandOpening& opening) {
  SB_TRY(const NoteVerifier key, key_of(flags));
  SB_TRY(const auto log,
         AuditLog::create(data.audit_seed(), {.origin = std::string(key.name()), .folder = data.audit_folder()}));
  asio::io_context io(1);  // outlives the store, as it asks
  store::SqliteOptions options;
  options.path = data.database();
  options.leave_mirrored = true;  // the mirror would be behind, and the tree head over the leaf known here alone
  auto store = store::open_sqlite_store(std::move(options), *log);
  if (!store && store.error().code == Errc::conflict) {
    return fail(Errc::conflict, fmt::format("a server works on {}: it must record who opens the content; name it with "
                                            "--url, and an API key with --key-file or SIGNALBOX_API_KEY",
                                            data.path()));
  }
  if (!store && store.error().code == Errc::cancelled) {
    return fail(Errc::conflict, fmt::format("{} is mirrored, and that its content is opened must be in the mirror too: "
                                            "start the server, and name it with --url, and an API key with --key-file "
                                            "or SIGNALBOX_API_KEY",
                                            data.path()));
  }
  if (!store) return std::unexpected(store.error());
  const Pseudonyms pseudonyms(pseudonym_secret(data.pepper()));
  store::Commit commit;
  store::LeafDraft leaf;
  leaf.kind = "record.opened";
  leaf.tenant = opening.tenant;
  leaf.run = opening.run;
  leaf.actor = pseudonyms.actor("local");
  leaf.summary = to_text(opening.summary);
  leaf.time_us = system_clock().now_us();
  commit.leaves.push_back(std::move(leaf));
  return wait(io, commit_durably(**store, std::move(commit)));
}

}  // namespace

Result<> record_opening(const Flags& flags, const store::DataDir& data, const CommandOpening& opening) {
  if (!flags.has("--url")) return append_leaf(flags, data, opening);
  SB_CHECK(ask_server(flags, opening));
  return find_opening(data, opening);
}

}  // namespace sb::audit
