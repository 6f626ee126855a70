#include "replay/log_import.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <map>

#include "base/bytes.h"
#include "replay/log_lines.h"

namespace sb::replay {
namespace {

constexpr double kMicro = 1e6;

/// What the formats have in common, by the names that each has for it.
struct Entry {
  std::string model;
  const json::value* messages = nullptr;
  json::object more{};  ///< of the request: tools, response_format
  model::Usage usage{};
  std::optional<double> cost_usd{};
  Micros took_us = 0;
  bool answered = false;
};

/// The first of these members that is there and not null.
const json::value* one_of(const json::value& object, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const auto* member = find_member(object, name);
    if (member && !member->is_null()) return member;
  }
  return nullptr;
}

std::string text_in(const json::value* value) {
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Exports write numbers as text, too.
std::optional<double> number_in(const json::value* value) {
  if (!value) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  const auto text = text_in(value);
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' || !std::isfinite(number) ? std::nullopt : std::optional(number);
}

std::int64_t count_in(const json::value* value) {
  const auto number = number_in(value);
  return number && *number > 0 && *number < 1e15 ? static_cast<std::int64_t>(*number) : 0;
}

// Seconds since 1970, or "2026-11-23T18:07:56.123Z" with 'T' or a blank.
std::optional<double> seconds_in(const json::value* value) {
  if (const auto number = number_in(value)) return number;
  using namespace std::chrono;
  int y = 0, mo = 0, d = 0, h = 0, mi = 0;
  double s = 0;
  char between = 0;
  if (std::sscanf(text_in(value).c_str(), "%d-%d-%d%c%d:%d:%lf", &y, &mo, &d, &between, &h, &mi, &s) != 7)
    return std::nullopt;
  const year_month_day date(year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d)));
  if (!date.ok()) return std::nullopt;
  return static_cast<double>(sys_seconds(sys_days(date)).time_since_epoch().count()) + (h * 3600) + (mi * 60) + s;
}

Micros between(const json::value* begin, const json::value* end) {
  const auto from = seconds_in(begin), to = seconds_in(end);
  return from && to && *to > *from ? static_cast<Micros>((*to - *from) * kMicro) : 0;
}

// A list of messages, as it stands there or as text that holds one.
const json::value* messages_in(const json::value* value, json::value& parsed) {
  if (!value) return nullptr;
  if (value->is_string()) {
    auto inner = parse_json(value->get_string());
    const bool plain = !inner || inner->is_string() || inner->is_number();
    parsed = plain ? json::value(json::array{{{"role", "user"}, {"content", value->get_string()}}}) : *std::move(inner);
    value = &parsed;
  }
  if (const auto* inside = find_member(*value, "messages")) value = inside;
  return value->is_array() && !value->get_array().empty() ? value : nullptr;
}

void copy_wishes(const json::value* request, json::object& to) {
  if (!request || !request->is_object()) return;
  for (const auto* name : {"tools", "response_format"}) {
    if (const auto* wish = find_member(*request, name); wish && !wish->is_null()) to[name] = *wish;
  }
}

void read_openai_usage(const json::value* usage, model::Usage& out) {
  if (!usage) return;
  out.input_tokens = count_in(one_of(*usage, {"prompt_tokens", "input_tokens"}));
  out.output_tokens = count_in(one_of(*usage, {"completion_tokens", "output_tokens"}));
  if (const auto* details = one_of(*usage, {"prompt_tokens_details", "input_tokens_details"}))
    out.cached_input_tokens = count_in(find_member(*details, "cached_tokens"));
}

// "input" is without what stands beside it as "input_...": cached tokens, audio; so is "output".
void read_langfuse_usage(const json::value& usage, model::Usage& out) {
  if (!usage.is_object()) return;
  for (const auto& member : usage.get_object()) {
    const std::string_view name = member.key();
    const auto count = count_in(&member.value());
    const bool cached = name == "input_cached_tokens" || name.find("cache_read") != name.npos;
    const bool input = name == "input" || name == "promptTokens" || name.starts_with("input_");
    if (cached) out.cached_input_tokens += count;
    if (input || cached || name.find("cache_creation") != name.npos) out.input_tokens += count;
    if (name == "output" || name == "completionTokens" || name.starts_with("output_")) out.output_tokens += count;
  }
}

class Importer {
 public:
  Importer(const model::Catalog& catalog, const std::function<Result<>(const LoggedCall&)>& visit)
      : catalog_(catalog), visit_(visit) {}

  Result<> litellm(const json::value& line) {
    const auto type = string_member(line, "call_type");
    if (!type.empty() && type.find("completion") == type.npos && type.find("responses") == type.npos) return skip();
    Entry entry;
    json::value parsed;
    entry.model = text_in(one_of(line, {"model", "model_group"}));
    entry.messages = messages_in(one_of(line, {"messages", "proxy_server_request"}), parsed);
    copy_wishes(find_member(line, "model_parameters"), entry.more);
    entry.usage.input_tokens = count_in(find_member(line, "prompt_tokens"));
    entry.usage.output_tokens = count_in(find_member(line, "completion_tokens"));
    if (const auto* metadata = find_member(line, "metadata")) {
      if (const auto* usage = one_of(*metadata, {"usage_object"})) read_cached(*usage, entry.usage);
    }
    entry.cost_usd = number_in(one_of(line, {"response_cost", "spend"}));
    entry.took_us = between(one_of(line, {"startTime", "start_time"}), one_of(line, {"endTime", "end_time"}));
    entry.answered = string_member(line, "status") != "failure";
    return take(entry);
  }

  Result<> langfuse(const json::value& line) {
    if (string_member(line, "type") != "GENERATION") return skip();
    Entry entry;
    json::value parsed;
    entry.model = text_in(one_of(line, {"model", "provided_model_name", "providedModelName"}));
    const auto* input = find_member(line, "input");
    entry.messages = messages_in(input, parsed);
    copy_wishes(parsed.is_object() ? &parsed : input, entry.more);
    if (const auto* usage = one_of(line, {"usageDetails", "usage_details", "usage"}))
      read_langfuse_usage(*usage, entry.usage);
    if (const auto* cost = one_of(line, {"costDetails", "cost_details"}))
      entry.cost_usd = number_in(find_member(*cost, "total"));
    if (!entry.cost_usd) entry.cost_usd = number_in(one_of(line, {"totalCost", "total_cost", "calculatedTotalCost"}));
    entry.took_us = between(one_of(line, {"startTime", "start_time"}), one_of(line, {"endTime", "end_time"}));
    entry.answered = string_member(line, "level") != "ERROR";
    return take(entry);
  }

  Result<> openai(const json::value& line) {
    const auto id = std::string(string_member(line, "custom_id"));
    const auto* request = one_of(line, {"request", "body"});
    const auto* response = find_member(line, "response");
    if (id.empty()) return request ? openai_pair(*request, response) : skip();
    // Lines of the Batch API: a file of requests and one of answers, in any order.
    auto& waiting = waiting_[id];
    if (request) waiting.request = *request;
    if (!request) waiting.response = response && !response->is_null() ? *response : json::value(json::object());
    if (waiting.request.is_null() || waiting.response.is_null()) return {};
    const auto pair = std::move(waiting);
    waiting_.erase(id);
    return openai_pair(pair.request, &pair.response);
  }

  ImportSums finish() {
    sums_.unmatched = waiting_.size();
    return sums_;
  }

 private:
  struct Pair {
    json::value request;
    json::value response;
  };

  Result<> skip() {
    ++sums_.other;
    return {};
  }

  static void read_cached(const json::value& usage, model::Usage& out) {
    model::Usage told;
    read_openai_usage(&usage, told);
    out.cached_input_tokens = told.cached_input_tokens;
  }

  Result<> openai_pair(const json::value& request, const json::value* response) {
    Entry entry;
    json::value parsed;
    const auto* answer = response ? find_member(*response, "body") : nullptr;
    if (!answer) answer = response;
    entry.messages = messages_in(one_of(request, {"messages"}), parsed);
    if (!entry.messages && find_member(request, "input")) return skip();
    entry.model = string_member(request, "model");
    copy_wishes(&request, entry.more);
    if (answer) {
      read_openai_usage(find_member(*answer, "usage"), entry.usage);
      entry.answered = find_member(*answer, "choices") != nullptr;
    }
    return take(entry);
  }

  Result<> take(Entry& entry) {
    if (!entry.messages) {
      ++sums_.without_text;
      return {};
    }
    ++sums_.calls;
    sums_.failed += !entry.answered;
    json::object request{{"model", "auto"}, {"messages", *entry.messages}};
    for (auto& [name, value] : entry.more) request[name] = value;
    LoggedCall call{.run = run_of(entry), .request = to_text(request)};
    return visit_(call);
  }

  RecordedRun run_of(const Entry& entry) const {
    RecordedRun run{.id = RunId(),
                    .tenant = "default",
                    .flow = "signalbox/chat",
                    .status = entry.answered ? store::RunStatus::completed : store::RunStatus::faulted,
                    .took_us = entry.took_us,
                    .route = std::string(kLogged)};
    RecordedCall call{.target = entry.model};
    RecordedAttempt attempt{.deployment = deployment_of(entry.model), .usage = entry.usage, .answered = entry.answered};
    attempt.price = model::Price();  // nothing is missing: the log tells what its own program counts
    attempt.cost = entry.cost_usd ? std::llround(*entry.cost_usd * kMicro) : 0;
    call.cost = run.cost = attempt.cost;
    call.attempts.push_back(std::move(attempt));
    run.calls.push_back(std::move(call));
    run.choices.push_back({.by = RecordedChoice::By::nothing, .route = std::string(kLogged)});
    return run;
  }

  std::string deployment_of(const std::string& model) const {
    const auto target = catalog_.resolve(model);
    if (!target || (*target)->groups.empty()) return model;
    return catalog_.deployments()[(*target)->groups.front().front().deployment].name;
  }

  const model::Catalog& catalog_;
  const std::function<Result<>(const LoggedCall&)>& visit_;
  ImportSums sums_;
  std::map<std::string, Pair> waiting_;
};

}  // namespace

Result<LogFormat> log_format(std::string_view name) {
  const std::vector<std::string> known{"litellm", "openai", "langfuse"};
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] == name) return static_cast<LogFormat>(i);
  }
  const auto near = nearest(name, known);
  return fail(Errc::invalid_argument, fmt::format("\"{}\" is no log that is known: litellm, openai, langfuse{}", name,
                                                  near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
}

std::vector<std::string> notes_of(const ImportSums& sums) {
  std::vector<std::string> notes{fmt::format("{} calls of chats on the log", sums.calls)};
  const std::pair<std::uint64_t, std::string_view> all[] = {
      {sums.failed, "of them failed: what they would cost is not known"},
      {sums.without_text, "calls are left out: the log does not hold what was asked"},
      {sums.other, "entries are left out: they are no chats"},
      {sums.unmatched,
       "lines of the Batch API are left out: a request without its answer, or an answer without its request"}};
  for (const auto& [count, what] : all) {
    if (count > 0) notes.push_back(fmt::format("{} {}", count, what));
  }
  return notes;
}

Result<ImportSums> import_log(LogFormat format, const std::vector<std::string>& files, const model::Catalog& catalog,
                              const std::function<Result<>(const LoggedCall&)>& visit) {
  Importer importer(catalog, visit);
  for (const auto& file : files) {
    SB_CHECK(each_object(file, [&](const json::value& object) {
      switch (format) {
        case LogFormat::litellm:
          return importer.litellm(object);
        case LogFormat::openai:
          return importer.openai(object);
        case LogFormat::langfuse:
          return importer.langfuse(object);
      }
      return Result<>();
    }));
  }
  return importer.finish();
}

}  // namespace sb::replay
