#include "mirror/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "audit/tile_files.h"
#include "base/crypto.h"
#include "base/log.h"
#include "mirror/segment.h"
#include "mirror/wire.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFileBytes = 8 << 20;      // then the next file
constexpr std::uint64_t kKeptFileBytes = 1 << 20;  // a file with nothing to send that is smaller is written on
constexpr std::size_t kReadBytesMax = std::size_t{1} << 30;
constexpr std::size_t kChecksumBytes = 8;

using Group = Spool::Group;

std::string checksum_of(std::string_view bytes) {
  const Digest digest = sha256(bytes);
  return std::string(reinterpret_cast<const char*>(digest.data()), kChecksumBytes);
}

std::optional<Group> parse(std::string_view body) {
  Input in(body);
  Group group;
  group.number = in.number();
  group.mark = in.bytes();
  group.previous = in.bytes();
  group.patchset = in.bytes();
  while (in.more()) {
    const auto kind = in.take(1);
    const auto no = in.number();
    const auto replaces = in.take(1);
    if (in.failed()) return std::nullopt;
    auto& key = group.keys.emplace_back();
    key.kind = static_cast<SealedKind>(kind.front());
    key.no = static_cast<std::int64_t>(no);
    key.replaces = replaces.front() != 0;
  }
  return in.failed() ? std::nullopt : std::optional(std::move(group));
}

}  // namespace

std::string spool_record(const Group& group) {
  std::string body;
  body.reserve(group.patchset.size() + 64);
  put_number(body, group.number);
  put_bytes(body, group.mark);
  put_bytes(body, group.previous);
  put_bytes(body, group.patchset);
  for (const auto& key : group.keys) {
    body += static_cast<char>(key.kind);
    put_number(body, static_cast<std::uint64_t>(key.no));
    body += static_cast<char>(key.replaces);
  }
  std::string record = checksum_of(body);
  put_bytes(record, body);
  return record;
}

std::map<std::string, Group> parse_spool(std::string_view bytes) {
  std::map<std::string, Group> groups;
  Input in(bytes);
  while (in.more()) {
    const auto checksum = in.take(kChecksumBytes);
    const auto body = in.bytes();
    if (in.failed() || checksum != checksum_of(body)) break;
    auto group = parse(body);
    if (!group) break;
    std::string mark = group->mark;
    groups.insert_or_assign(std::move(mark), *std::move(group));
  }
  return groups;
}

Spool::Spool(std::string folder) : folder_(std::move(folder)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  fs::permissions(folder_, fs::perms::owner_all, error);
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    if (const auto first = number_of(at->path().filename().string())) files_[*first] = 0;
  }
}

Spool::~Spool() {
  close_file();
}

std::string Spool::path_of(std::uint64_t first) const {
  return folder_ + "/" + padded(first);
}

bool Spool::open_file(std::uint64_t first) {
  file_ = ::open(path_of(first).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file_ >= 0) files_[current_ = first] = 0;
  return file_ >= 0;
}

void Spool::close_file() {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

void Spool::append(const Group& group) {
  const std::string record = spool_record(group);
  const std::lock_guard lock(mutex_);
  if (file_ >= 0 && files_[current_] > kFileBytes) close_file();
  if (file_ < 0 && !open_file(group.number)) {
    log_warn("mirror.not_spooled", {{"group", group.number}});
    return;
  }
  newest_ = group.number;
  for (std::string_view rest = record; !rest.empty();) {
    const ssize_t written = ::write(file_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      log_warn("mirror.not_spooled", {{"group", group.number}});
      close_file();  // what comes after half a record is not read
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  files_[current_] += record.size();
}

void Spool::drop_to(std::uint64_t group) {
  const std::lock_guard lock(mutex_);
  for (auto file = files_.begin(); file != files_.end();) {
    const auto next = std::next(file);
    const std::uint64_t last = next == files_.end() ? newest_ : next->first - 1;
    const bool written_on = file_ >= 0 && file->first == current_;
    if (last > group || (written_on && file->second < kKeptFileBytes)) return;
    if (written_on) close_file();
    ::unlink(path_of(file->first).c_str());
    file = files_.erase(file);
  }
}

std::optional<std::vector<Group>> Spool::read(std::uint64_t first, std::uint64_t last, std::string mark) {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Group> groups;
  for (const auto& [number, bytes] : files_) {
    if (number > last) break;
    const auto content = audit::read_whole_file(path_of(number), kReadBytesMax);
    if (!content) continue;
    for (auto& [read_mark, group] : parse_spool(*content)) groups.insert_or_assign(read_mark, std::move(group));
  }
  newest_ = std::max(newest_, last);
  std::vector<Group> found;
  for (std::uint64_t number = last; number >= first; --number) {
    const auto at = groups.find(mark);
    if (at == groups.end() || at->second.number != number) return std::nullopt;
    mark = at->second.previous;
    found.push_back(std::move(at->second));
  }
  std::ranges::reverse(found);
  return found;
}

}  // namespace sb::mirror
