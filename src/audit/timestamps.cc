#include "audit/timestamps.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "audit/outside_thread.h"
#include "audit/timestamp_token.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

namespace sb::audit {
namespace {

constexpr std::string_view kFolder = "timestamp/";

std::optional<std::uint64_t> size_of(std::string_view digits) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  const bool canonical = error == std::errc() && end == digits.data() + digits.size() && digits.front() != '0';
  return canonical ? std::optional(size) : std::nullopt;
}

}  // namespace

std::string stamped_file(std::uint64_t size) {
  return fmt::format("{}{}", kFolder, size);
}

std::string timestamp_file(std::uint64_t size) {
  return stamped_file(size) + ".tsr";
}

bool is_timestamp_file(std::string_view name) {
  if (name == kNewestTimestamp) return true;
  if (!name.starts_with(kFolder)) return false;
  name.remove_prefix(kFolder.size());
  if (name.ends_with(".tsr")) name.remove_suffix(4);
  return size_of(name).has_value();
}

Result<std::optional<std::uint64_t>> newest_timestamp(LogSource& log) {
  const auto text = log.read(kNewestTimestamp);
  if (!text && text.error().code == Errc::not_found) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  const auto size = size_of(trim(*text));
  if (!size) return fail(Errc::corrupt, fmt::format("{}/{} is not a size", log.name(), kNewestTimestamp));
  return size;
}

Result<std::unique_ptr<Timestamps>> Timestamps::start(TimestampOptions options, const std::string& folder,
                                                      Publisher& publisher) {
  SB_ASSERT(options.url);
  SB_TRY(TileFiles files, TileFiles::open(folder));
  std::unique_ptr<Timestamps> timestamps(new Timestamps(std::move(options), std::move(files), folder, publisher));
  timestamps->thread_.start([t = timestamps.get()] { return t->run(); });
  return timestamps;
}

Timestamps::Timestamps(TimestampOptions options, TileFiles files, const std::string& folder, Publisher& publisher)
    : options_(std::move(options)), publisher_(publisher), files_(std::move(files)) {
  stats_.leaves = newest_timestamp(*open_log_folder(folder)).value_or(std::nullopt).value_or(0);
}

TimestampStats Timestamps::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

Task<void> Timestamps::run() {
  std::string trouble;
  for (;;) {
    std::chrono::milliseconds pause = options_.interval;
    auto head = publisher_.head();
    if (head && head->size > stats().leaves) {
      const auto stamped = co_await stamp(*std::move(head));
      if (!stamped && stamped.error().code == Errc::cancelled) co_return;
      if (!stamped) {
        if (stamped.error().detail != trouble) log_warn("audit.not_stamped", {{"detail", stamped.error().detail}});
        const std::lock_guard lock(mutex_);
        ++stats_.failures;
        pause = std::min(pause, kLongestPause);
      }
      trouble = stamped ? std::string() : stamped.error().detail;
    }
    if (!co_await thread_.sleep(pause)) co_return;
  }
}

Task<Result<>> Timestamps::stamp(Publisher::Head head) {
  const std::uint64_t nonce = system_entropy().next_u64();
  OutsideThread::Question question{*options_.url, "", "application/timestamp-query",
                                   timestamp_request(head.note, nonce), options_.timeout};
  SB_CO_TRY(const auto answer, co_await thread_.ask(std::move(question)));
  if (answer.status != 200)
    co_return fail(Errc::unavailable, fmt::format("the time-stamping authority answers {}", answer.status));
  SB_CO_CHECK(check_timestamp(answer.body, {head.note, nonce, options_.ca_file}));
  SB_CO_CHECK(files_.write_note(stamped_file(head.size), head.note));
  SB_CO_CHECK(files_.write_note(timestamp_file(head.size), answer.body));
  SB_CO_CHECK(files_.write_note(kNewestTimestamp, fmt::format("{}\n", head.size)));
  const std::lock_guard lock(mutex_);
  stats_.leaves = head.size;
  co_return Result<>();
}

}  // namespace sb::audit
