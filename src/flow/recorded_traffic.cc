#include "flow/recorded_traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "flow/sealer.h"
#include "keys/derived_keys.h"
#include "policy/sealed_value.h"
#include "policy/vault.h"
#include "store/data_dir.h"
#include "store/sqlite/reader.h"

namespace sb::flow {
namespace {

using policy::Direction;
using policy::JsonProfile;
using policy::TokenVault;

constexpr std::size_t kCacheKib = 1024;
constexpr std::size_t kRunsAtOnce = 1000;
/// A run's id is made just before the moment that is written down for it.
constexpr Micros kIdSlack = 60'000'000;

/// The least id of that millisecond.
RunId first_id_at(Micros moment) {
  Uuid uuid;
  const auto ms = static_cast<std::uint64_t>(std::max<Micros>(0, moment) / 1000);
  for (std::size_t i = 0; i < 6; ++i) uuid.bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  return RunId(uuid);
}

/// A run's placeholders; `but_of`: without those that stand in this text.
Result<TokenVault> vault_of(const store::RunRow& run, std::string_view but_of = {}) {
  if (run.vault.empty()) return TokenVault();
  SB_TRY(json::value document, parse_json(run.vault));
  if (auto* entries = but_of.empty() ? nullptr : document.as_object().if_contains("entries")) {
    json::array kept;
    for (auto& entry : entries->as_array()) {
      const auto token = fmt::format("[{}_{}]", string_member(entry, "type"), string_member(entry, "suffix"));
      if (but_of.find(token) == std::string_view::npos) kept.push_back(std::move(entry));
    }
    *entries = std::move(kept);
  }
  return TokenVault::from_json(document);
}

/// Opens the runs of one data directory.
class RunOpener {
 public:
  static Result<std::shared_ptr<RunOpener>> open(const policy::TrafficFilter& filter) {
    SB_TRY(const auto data, store::DataDir::open(filter.data));
    SB_TRY(auto master, master_key_of(filter.master_key, data.vault_key()));
    SB_TRY(auto reader, store::sqlite::Reader::open(data.database(), kCacheKib));
    SB_TRY(const auto document, reader->load_document("tenant_keys"));
    SB_TRY(const json::value wrapped, parse_json(document.value_or("{}")));
    const std::shared_ptr<RunOpener> opener(new RunOpener(std::move(reader), std::move(master), data.vault_key()));
    SB_CHECK(opener->tenants_.load(wrapped));
    return opener;
  }

  store::sqlite::Reader& reader() { return *reader_; }
  std::string tenant_key(const store::RunRow& run) const { return value_keys(run).front(); }

  /// Of an erased run nothing is left to open. Errors: not_found, corrupt.
  Result<store::RunRow> open_run(RunId id) {
    SB_TRY(auto run, reader_->load_run(id));
    if (const auto opened = sealer_.unseal(run); !opened)
      return fail(opened.error().code, fmt::format("run {}: {}", id.to_string(), opened.error().detail));
    return run;
  }

  struct AsItCame {
    std::string text;
    bool still_sealed = false;  ///< values in it did not open
  };
  Result<AsItCame> as_it_came(const store::RunRow& run, std::string json, Result<TokenVault> tokens) const {
    if (!tokens) return std::unexpected(tokens.error());
    if (!tokens->empty()) {
      SB_TRY(json, policy::restore_json(*tokens, json));
    }
    auto opened = policy::open_values(value_keys(run), json);
    // A value that would have to be escaped breaks the document: it stays sealed.
    const bool fits = opened.opened == 0 || parse_json(opened.text).has_value();
    return AsItCame{fits ? std::move(opened.text) : std::move(json), opened.refused > 0 || !fits};
  }

 private:
  RunOpener(std::unique_ptr<store::sqlite::Reader> reader, std::string master, const std::string& vault_key)
      : reader_(std::move(reader)),
        tenants_(std::move(master)),
        sealer_(tenants_, vault_key, system_entropy()),
        secret_(value_secret(vault_key)) {}

  // A database that no server has opened since value keys are kept has those that were derived before.
  std::vector<std::string> value_keys(const store::RunRow& run) const {
    auto keys = tenants_.value_keys(run.tenant);
    if (keys.empty()) keys.push_back(value_key(secret_, run.tenant));
    return keys;
  }

  std::unique_ptr<store::sqlite::Reader> reader_;
  TenantKeys tenants_;
  Sealer sealer_;
  std::string secret_;
};

// What a run's calls were for and which models they went to, as a live run's guard knows what may be reached
// (Catalog::reach): tiers, "provider/model" and models' own names.
std::vector<std::string> models_reached(const std::vector<store::StepRow>& steps) {
  std::vector<std::string> names;
  const auto add = [&](std::string_view name) {
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  };
  for (const auto& step : steps) {
    const auto decision = parse_json(step.decision);
    const auto* attempts = decision ? find_member(*decision, "attempts") : nullptr;
    if (!attempts || !attempts->is_array()) continue;
    add(string_member(*decision, "target"));
    for (const auto& attempt : attempts->get_array()) {
      const auto deployment = string_member(attempt, "deployment");
      add(deployment);
      add(deployment.substr(deployment.find('/') + 1));
    }
  }
  return names;
}

/// Reads the runs of one data directory.
class TrafficReader {
 public:
  using Visit = std::function<Result<>(const policy::RecordedText&)>;

  TrafficReader(const policy::TrafficFilter& filter, const Visit& visit, RunOpener& opener)
      : filter_(filter), visit_(visit), opener_(opener) {}

  Result<policy::TrafficSums> read() {
    store::RunFilter page;
    page.tenant = filter_.tenant;
    page.flow = filter_.flow;
    page.limit = kRunsAtOnce;
    if (filter_.until_us) page.before = first_id_at(*filter_.until_us + 1000);
    const RunId oldest = first_id_at(filter_.since_us.value_or(0) - kIdSlack);
    for (;;) {
      SB_TRY(const auto runs, opener_.reader().list_runs(page));
      for (const auto& thin : runs) {
        if (thin.id < oldest || sums_.runs >= filter_.limit) return sums_;
        const bool wanted = thin.created_us >= filter_.since_us.value_or(0) &&
                            (!filter_.until_us || thin.created_us < *filter_.until_us);
        if (wanted) SB_CHECK(read_run(thin.id));
      }
      if (runs.size() < kRunsAtOnce) return sums_;
      page.before = runs.back().id;
    }
  }

 private:
  Result<> read_run(RunId id) {
    SB_TRY(const auto run, opener_.open_run(id));
    if (run.erased) {
      ++sums_.erased;
      return {};
    }
    ++sums_.runs;
    SB_TRY(const auto steps, opener_.reader().load_steps(run.id));
    count_taken_out(steps);
    const auto reached = models_reached(steps);
    const bool chat = run.flow.starts_with("signalbox/chat@");
    const auto input = parse_json(run.input);
    const std::string model(input ? string_member(*input, "model") : std::string_view());
    policy::RecordedText text;
    text.subject = {run.tenant, run.key, run.flow, model, reached};
    if (filter_.direction != Direction::outbound && !run.input.empty()) {
      text.id = id.to_string() + " inbound";
      text.profile = chat ? JsonProfile::chat_request : JsonProfile::any;
      SB_TRY(text.content, as_it_came(run, run.input, vault_of(run)));
      SB_CHECK(visit_(text));
    }
    const bool answered = run.status == store::RunStatus::completed && !run.output.empty();
    if (filter_.direction != Direction::inbound && answered) {
      text.id = id.to_string() + " outbound";
      text.direction = Direction::outbound;
      text.profile = chat ? JsonProfile::chat_response : JsonProfile::any;
      // What stands in the question came from the caller, and the model saw no more of it than the placeholder.
      SB_TRY(text.content, as_it_came(run, run.output, vault_of(run, run.input)));
      SB_CHECK(visit_(text));
    }
    return {};
  }

  Result<std::string> as_it_came(const store::RunRow& run, const std::string& json, Result<TokenVault> tokens) {
    SB_TRY(auto came, opener_.as_it_came(run, json, std::move(tokens)));
    sums_.still_sealed += came.still_sealed;
    return std::move(came.text);
  }

  // The record says of each guard what it found and did.
  void count_taken_out(const std::vector<store::StepRow>& steps) {
    for (const auto& step : steps) {
      if (step.kind != "guard") continue;
      const auto decision = parse_json(step.decision);
      if (!decision || string_member(*decision, "mode") == "log_only") continue;
      for (const auto* list : {find_member(*decision, "findings"), find_member(*decision, "unlisted")}) {
        if (!list || !list->is_array()) continue;
        for (const auto& found : list->get_array()) count_gone(string_member(*decision, "direction"), found);
      }
    }
  }

  // `found`: a finding, or how many there were of a kind.
  void count_gone(std::string_view direction, const json::value& found) {
    const auto action = string_member(found, "action");
    if (!is_gone_after(action)) return;
    const auto count = std::max<std::int64_t>(0, int_member(found, "count", 1));
    sums_.taken_out[fmt::format("{} {} {}", direction, string_member(found, "type"), action)] +=
        static_cast<std::uint64_t>(count);
  }

  const policy::TrafficFilter& filter_;
  const Visit& visit_;
  RunOpener& opener_;
  policy::TrafficSums sums_;
};

}  // namespace

bool is_gone_after(std::string_view action) {
  constexpr std::string_view kGone[] = {"mask", "redact", "replace", "hash", "block", "route_to_human"};
  return std::ranges::find(kGone, action) != std::end(kGone);
}

Result<policy::TrafficSums> read_recorded_traffic(const policy::TrafficFilter& filter,
                                                  const std::function<Result<>(const policy::RecordedText&)>& visit) {
  SB_TRY(const auto opener, RunOpener::open(filter));
  return TrafficReader(filter, visit, *opener).read();
}

Result<OpenInput> open_inputs(const policy::TrafficFilter& filter) {
  SB_TRY(const std::shared_ptr<RunOpener> opener, RunOpener::open(filter));
  return [opener](const RunId& id) -> Result<std::optional<RecordedInput>> {
    SB_TRY(const auto run, opener->open_run(id));
    if (run.erased) return std::optional<RecordedInput>();
    SB_TRY(auto came, opener->as_it_came(run, run.input, vault_of(run)));
    return RecordedInput{run.input, std::move(came.text), run.key, opener->tenant_key(run)};
  };
}

}  // namespace sb::flow
