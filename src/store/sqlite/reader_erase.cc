// What an erasure asks before it acts.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "store/sqlite/columns.h"
#include "store/sqlite/reader.h"

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kMaxErased = 10'000;

// No run that was made at `time_us` or later has a smaller id: ids begin with their time (UUIDv7).
std::string first_id_of(Micros time_us) {
  std::string id(16, '\0');
  auto ms = static_cast<std::uint64_t>(std::max<Micros>(time_us, 0) / 1000);
  for (int i = 5; i >= 0; --i, ms >>= 8) id[static_cast<std::size_t>(i)] = static_cast<char>(ms & 0xff);
  return id;
}

}  // namespace

// A subject's runs are found by the index on subjects, in its order: that of their numbers. All others in the order of
// their ids.
Result<std::vector<RunId>> Reader::erasable_runs(const ErasableFilter& filter) {
  std::string sql = filter.subject.empty() ? "SELECT r.id FROM runs r LEFT JOIN data_keys k ON k.run = r.no"
                                           : "SELECT r.id FROM data_keys k JOIN runs r ON r.no = k.run";
  sql += " WHERE r.status >= 4 AND (k.run IS NULL OR k.wrapped IS NOT NULL)";
  if (!filter.subject.empty()) sql += " AND k.subject = ?1";
  if (!filter.tenant.empty()) sql += " AND r.tenant = ?2";
  const auto is_of_flow = [](int parameter) {
    return fmt::format("(r.flow = ?{0} OR substr(r.flow, 1, length(?{0}) + 1) = ?{0} || '@')", parameter);
  };
  if (!filter.flow.empty()) sql += " AND " + is_of_flow(3);
  constexpr int kFirstOther = 9;
  const auto others = static_cast<int>(filter.other_flows_than.size());
  for (int i = 0; i < others; ++i) sql += " AND NOT " + is_of_flow(kFirstOther + i);
  if (filter.run) sql += " AND r.id = ?4";
  if (filter.ended_before_us) sql += " AND r.ended_us < ?5 AND r.id < ?6";
  const bool by_id = filter.subject.empty();
  if (filter.after) sql += by_id ? " AND r.id > ?7" : " AND k.run > (SELECT no FROM runs WHERE id = ?7)";
  sql += by_id ? " ORDER BY r.id" : " ORDER BY k.run";
  sql += " LIMIT ?8";
  SB_TRY(Statement list, database_.prepare(sql));
  list.bind(8, static_cast<std::int64_t>(std::min(filter.limit, kMaxErased)));
  if (!filter.subject.empty()) list.bind(1, filter.subject);
  if (!filter.tenant.empty()) list.bind(2, filter.tenant);
  if (!filter.flow.empty()) list.bind(3, filter.flow);
  for (int i = 0; i < others; ++i) list.bind(kFirstOther + i, filter.other_flows_than[static_cast<std::size_t>(i)]);
  if (filter.run) list.bind_blob(4, blob_of(filter.run->uuid));
  const std::string bound = filter.ended_before_us ? first_id_of(*filter.ended_before_us) : std::string();
  if (filter.ended_before_us) list.bind(5, *filter.ended_before_us).bind_blob(6, bound);
  if (filter.after) list.bind_blob(7, blob_of(filter.after->uuid));
  std::vector<RunId> runs;
  int result;
  while ((result = list.step()) == SQLITE_ROW) runs.push_back(RunId(uuid_of(list.bytes(0))));
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list runs to erase of"));
  return runs;
}

Result<std::uint64_t> Reader::open_runs_of_subject(const std::string& tenant, const std::string& subject) {
  SB_TRY(Statement count, database_.prepare("SELECT count(*) FROM data_keys k JOIN runs r ON r.no = k.run WHERE "
                                            "k.subject = ? AND r.tenant = ? AND r.status < 4"));
  if (count.bind(1, subject).bind(2, tenant).step() != SQLITE_ROW)
    return std::unexpected(database_.error("cannot count runs of"));
  return static_cast<std::uint64_t>(count.integer(0));
}

}  // namespace sb::store::sqlite
