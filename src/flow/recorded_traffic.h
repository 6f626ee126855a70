/// Recorded runs in clear, for commands that look at them again: read-only, beside a running server or without one.
#pragma once

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

}  // namespace sb::flow
