/// Recorded runs in clear, for commands that look at them again: read-only, beside a running server or without one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "policy/recorded_traffic.h"

namespace sb::flow {

/// policy::ReadTraffic over a data directory. Inputs as they came, outputs as the models gave them, as far as the run's
/// placeholders and the tenant's key bring values back; opened in memory, one run at a time, and written nowhere. What
/// a flow's tasks said to services in between is not among them. Each page of runs is a read of its own, so that a
/// server's write-ahead log does not wait for it; runs that begin meanwhile are not read.
/// Errors: not_found (no data directory), permission_denied (another master key), corrupt (names the run).
Result<policy::TrafficSums> read_recorded_traffic(const policy::TrafficFilter& filter,
                                                  const std::function<Result<>(const policy::RecordedText&)>& visit);

/// The same, on record before the first text is read: a leaf `record.opened` with what was asked for. Where a server
/// works on the directory, TrafficFilter::url names it. Errors: also those of audit::record_opening.
Result<policy::TrafficSums> read_traffic_on_record(const policy::TrafficFilter& filter,
                                                   const std::function<Result<>(const policy::RecordedText&)>& visit);

/// Whether a value that an action took when it was recorded is gone for good: no other policy sees it again.
bool is_gone_after(std::string_view action);

/// What one run was asked.
struct RecordedInput {
  std::string stored;      ///< as models saw it, with the policy's placeholders
  std::string as_it_came;  ///< as far as placeholders and the tenant's key bring values back
  std::string key;         ///< id of the API key that asked; empty: none
  std::string tenant_key;  ///< for keyed hashes of the tenant's; secret
};

/// Opens runs one by one, by their ids. Nothing: the run was erased. Errors: not_found, corrupt (names the run).
using OpenInput = std::function<Result<std::optional<RecordedInput>>(const RunId&)>;

/// On record before it opens the first: a leaf `record.opened`, as read_traffic_on_record has it.
/// Errors: as there.
Result<OpenInput> open_inputs_on_record(const policy::TrafficFilter& filter);
/// Without that leaf. Errors: as read_recorded_traffic.
Result<OpenInput> open_inputs(const policy::TrafficFilter& filter);

}  // namespace sb::flow
