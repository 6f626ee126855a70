// /audit/: the published log, served as the files it is (C2SP tlog-tiles).
#include "api/api.h"
#include "audit/log_source.h"
#include "audit/timestamps.h"

namespace sb::api {
namespace {

// One text for one resource, for ever: whoever has it need not ask again.
constexpr const char* kImmutable = "public, max-age=31536000, immutable";
constexpr std::string_view kPrefix = "/audit/";

}  // namespace

Task<bool> Api::may_read_log(http::Exchange& exchange) {
  if (parts_.audit_public) co_return true;
  auto admitted = parts_.gatekeeper.admit(exchange.request(), Permission::read_audit);
  if (!admitted) co_await respond_error(exchange, admitted.error().error, std::move(admitted.error().headers));
  co_return admitted.has_value();
}

Task<void> Api::get_checkpoint(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  if (!co_await may_read_log(exchange)) co_return;
  const std::string name = exchange.request().path.substr(kPrefix.size());
  auto note = parts_.audit_log.read(name);
  if (!note) co_return co_await respond_error(exchange, Error(Errc::not_found, "the log has no " + name + " yet"));
  http::Headers headers{{"content-type", "text/plain; charset=utf-8"}, {"cache-control", "no-cache"}};
  co_await respond_json(exchange, 200, *std::move(note), std::move(headers));
}

Task<void> Api::get_timestamp(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  if (!co_await may_read_log(exchange)) co_return;
  const std::string name = exchange.request().path.substr(kPrefix.size());
  auto bytes = audit::is_timestamp_file(name) ? parts_.audit_log.read(name) : fail(Errc::not_found, name);
  if (!bytes) co_return co_await respond_error(exchange, Error(Errc::not_found, "the log has no such time stamp"));
  http::Headers headers{
      {"content-type", name.ends_with(".tsr") ? "application/timestamp-reply" : "text/plain; charset=utf-8"},
      {"cache-control", name == audit::kNewestTimestamp ? "no-cache" : kImmutable}};
  co_await respond_json(exchange, 200, *std::move(bytes), std::move(headers));
}

Task<void> Api::get_tile(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  if (!co_await may_read_log(exchange)) co_return;
  const auto id = audit::TileId::parse(std::string_view(exchange.request().path).substr(kPrefix.size()));
  if (!id)
    co_return co_await respond_error(exchange, Error(Errc::not_found, "no such tile: see https://c2sp.org/tlog-tiles"));
  const auto bytes = parts_.audit_log.tile(*id);
  if (!bytes) co_return co_await respond_error(exchange, Error(Errc::not_found, "the log has no such tile yet"));
  http::Headers headers{{"content-type", "application/octet-stream"}, {"cache-control", kImmutable}};
  co_await respond_json(exchange, 200, *bytes, std::move(headers));
}

}  // namespace sb::api
