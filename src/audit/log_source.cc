#include "audit/log_source.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <filesystem>

#include "audit/tile_files.h"
#include "http/client.h"
#include "store/sqlite/codec.h"

namespace sb::audit {
namespace {

class FolderSource final : public LogSource {
 public:
  explicit FolderSource(std::string folder) : folder_(std::move(folder)) {}
  Result<std::string> read(const std::string& path) override {
    return read_whole_file(folder_ + "/" + path, kBundleBytesMax);
  }
  std::string name() const override { return folder_; }

 private:
  std::string folder_;
};

class HttpSource final : public LogSource {
 public:
  HttpSource(http::Url url, std::string api_key)
      : url_(std::move(url)), api_key_(std::move(api_key)), client_(http::Client::create(io_, {})) {}

  Result<std::string> read(const std::string& path) override {
    std::optional<Result<std::string>> result;
    asio::co_spawn(io_, get("/" + path), [&](const std::exception_ptr&, Result<std::string> got) {
      result = std::move(got);
      io_.stop();  // the pool's timer would keep it busy
    });
    io_.restart();
    io_.run();
    return result ? *std::move(result) : Result<std::string>(fail(Errc::internal, "the request was dropped"));
  }
  std::string name() const override {
    return fmt::format("{}://{}{}", url_.tls ? "https" : "http", url_.authority(), url_.path);
  }
  /// Whether the log is there, or under /audit, where this server's own API has it.
  Result<> find() {
    auto found = checkpoint();
    if (found || found.error().code != Errc::not_found) return found ? Result<>() : std::unexpected(found.error());
    const std::string given = name();
    url_.path += "/audit";
    found = checkpoint();
    if (found || found.error().code != Errc::not_found) return found ? Result<>() : std::unexpected(found.error());
    return fail(Errc::not_found, fmt::format("there is no log at {}: no `checkpoint` below it", given));
  }

 private:
  Task<Result<std::string>> get(std::string path) {
    http::ClientRequest request;
    request.method = "GET";
    request.origin = url_;
    request.target = url_.path + path;
    if (!api_key_.empty()) request.headers.add("authorization", "Bearer " + api_key_);
    request.timeouts = {std::chrono::seconds(5), std::chrono::seconds(30), std::chrono::seconds(30),
                        std::chrono::seconds(120)};
    auto response = co_await client_->send(std::move(request));
    if (!response) co_return fail(Errc::unavailable, fmt::format("{}: {}", name(), response.error().detail));
    const int status = (*response)->status();
    SB_CO_TRY(std::string body, co_await (*response)->read_all(kBundleBytesMax));
    if (status == 404) co_return fail(Errc::not_found, fmt::format("{}{}: not there (404)", name(), path));
    if (status == 401 || status == 403) {
      co_return fail(Errc::permission_denied,
                     fmt::format("{}{}: the server answers {}: it shows its log to API keys that may read it; give one "
                                 "with --key-file",
                                 name(), path, status));
    }
    if (status != 200)
      co_return fail(Errc::unavailable, fmt::format("{}{}: the server answers {}", name(), path, status));
    co_return body;
  }

  asio::io_context io_{1};
  http::Url url_;
  const std::string api_key_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace

Result<std::string> cut_tile(const TileId& id, std::string full) {
  if (id.level != TileId::kEntries) {
    if (full.size() != kTileBytes) return fail(Errc::corrupt, fmt::format("{} is not a full tile", id.path()));
    full.resize(id.width * sizeof(Digest));
    return full;
  }
  std::string_view rest = full;
  for (unsigned i = 0; i < id.width; ++i) SB_CHECK(store::sqlite::take_leaf(rest));
  full.resize(full.size() - rest.size());
  return full;
}

Result<std::string> LogSource::tile(const TileId& id) {
  auto bytes = read(id.path());
  if (bytes || id.width == kTileWidth || bytes.error().code != Errc::not_found) return bytes;
  auto full = read(TileId{id.level, id.index}.path());
  return full ? cut_tile(id, *std::move(full)) : bytes;
}

std::unique_ptr<LogSource> open_log_folder(std::string folder) {
  return std::make_unique<FolderSource>(std::move(folder));
}

Result<std::unique_ptr<LogSource>> open_log_source(const std::string& where, const std::string& api_key) {
  if (where.find("://") != std::string::npos) {
    SB_TRY(http::Url url, http::Url::parse(where));
    auto source = std::make_unique<HttpSource>(std::move(url), api_key);
    SB_CHECK(source->find());
    return source;
  }
  for (const std::string& folder : {where, where + "/audit"}) {
    if (std::filesystem::exists(folder + "/" + TileFiles::kCheckpoint)) return std::make_unique<FolderSource>(folder);
  }
  return fail(Errc::not_found,
              fmt::format("there is no log in {}: no file `checkpoint` in it, nor in {}/audit", where, where));
}

}  // namespace sb::audit
