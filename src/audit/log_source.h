/// Where a published log is read from: a folder, or a server over HTTP. Both in the layout of C2SP tlog-tiles.
#pragma once

#include <memory>
#include <string>

#include "audit/tile.h"
#include "base/errors.h"

namespace sb::audit {

class LogSource {
 public:
  virtual ~LogSource() = default;
  /// What lies at `path` below the log's prefix. Errors: not_found, unavailable, too_large.
  virtual Result<std::string> read(const std::string& path) = 0;
  virtual std::string name() const = 0;

  Result<std::string> checkpoint() { return read("checkpoint"); }
  /// A partial tile that is gone is cut from the full one, as the specification has it. Errors: as read(), corrupt.
  Result<std::string> tile(const TileId& id);
};

/// `where`: http(s)://HOST[/PREFIX], a folder that holds `checkpoint`, or a data directory with such a folder in it.
/// `api_key`: for a server that does not show its log to everybody; empty: none.
/// Errors: invalid_argument, not_found, unavailable, permission_denied.
Result<std::unique_ptr<LogSource>> open_log_source(const std::string& where, const std::string& api_key = {});

/// The log in `folder`, which need not be there yet.
std::unique_ptr<LogSource> open_log_folder(std::string folder);

/// The first `width` hashes or leaves of a full tile. Errors: corrupt.
Result<std::string> cut_tile(const TileId& id, std::string full);

}  // namespace sb::audit
