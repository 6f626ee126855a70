#include "audit/opening.h"
#include "base/log.h"
#include "flow/recorded_traffic.h"

namespace sb::flow {
namespace {

// Members in the order of their bytes, as the record has them.
json::object summary_of(const policy::TrafficFilter& filter) {
  json::object summary;
  if (filter.direction) summary["direction"] = policy::to_string(*filter.direction);
  if (!filter.flow.empty()) summary["flow"] = filter.flow;
  if (filter.limit != UINT64_MAX) summary["limit"] = filter.limit;
  if (filter.since_us) summary["since"] = rfc3339(*filter.since_us);
  if (filter.until_us) summary["until"] = rfc3339(*filter.until_us);
  summary["what"] = "traffic";
  return summary;
}

Result<> put_on_record(const policy::TrafficFilter& filter) {
  SB_TRY(const auto data, store::DataDir::open(filter.data));
  audit::Flags flags;
  flags.values["--data"] = filter.data;
  if (!filter.url.empty()) flags.values["--url"] = filter.url;
  if (!filter.key_file.empty()) flags.values["--key-file"] = filter.key_file;
  return audit::record_opening(flags, data, {filter.tenant, std::nullopt, summary_of(filter)});
}

}  // namespace

Result<policy::TrafficSums> read_traffic_on_record(const policy::TrafficFilter& filter,
                                                   const std::function<Result<>(const policy::RecordedText&)>& visit) {
  SB_CHECK(put_on_record(filter));
  return read_recorded_traffic(filter, visit);
}

Result<OpenInput> open_inputs_on_record(const policy::TrafficFilter& filter) {
  SB_CHECK(put_on_record(filter));
  return open_inputs(filter);
}

}  // namespace sb::flow
