/// Opens the database file the one way we use it, and brings its schema up to date.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite_store.h"

namespace sb::store::sqlite {

/// The migrations in order: number n brings the schema from version n to n + 1.
std::span<const char* const> migrations();

/// WAL, synchronous=FULL, no checkpoint on the caller's path, bounded cache; creates and migrates, with `seal` where
/// documents stand in clear. Errors: unsupported (made by a newer version of the program; or it must be sealed, and
/// `seal` is null), corrupt (not ours), permission_denied, disk_full, those of `seal`.
Result<Database> open_for_writing(const std::string& path, std::size_t cache_kib, const SealDocument& seal);

/// Errors: not_found, unsupported (other schema version), corrupt, permission_denied.
Result<Database> open_for_reading(const std::string& path, std::size_t cache_kib);

}  // namespace sb::store::sqlite
