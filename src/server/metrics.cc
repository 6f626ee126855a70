#include "server/metrics.h"

#include "server/promise.h"

namespace sb::server {
namespace {

void register_witness_probes(MetricRegistry& registry, const Services& services) {
  const auto* const witnesses = services.log->witnesses();
  if (!witnesses) return;
  MetricLabel label{"witness", {}};
  for (const WitnessConfig& witness : services.config.audit.witnesses)
    label.values.push_back(witness.key.substr(0, witness.key.find('+')));
  const auto probe = [&](std::string_view name, std::string_view help, auto read) {
    registry.probe(name, help, label, [&services, read](std::size_t i) {
      return static_cast<double>(read(services.log->shown(), services.log->witnesses()->stats()[i]));
    });
  };
  using Stats = audit::WitnessStats;
  probe("signalbox_audit_witness_cosigned_leaves", "Leaves under the tree head that the witness cosigned last.",
        [](std::uint64_t, const Stats& stats) { return stats.cosigned_leaves; });
  probe("signalbox_audit_witness_lag_leaves",
        "Leaves that are published and not cosigned by the witness. Rising while its cosigned leaves stand still: see "
        "the log.",
        [](std::uint64_t shown, const Stats& stats) { return shown - std::min(shown, stats.cosigned_leaves); });
  probe("signalbox_audit_witness_failures_total",
        "Questions to the witness that brought no cosignature and no refusal. Rising: it is down, or not reached.",
        [](std::uint64_t, const Stats& stats) { return stats.failures; });
  probe("signalbox_audit_witness_refusals_total",
        "Tree heads that the witness refused. Any increase: the log is not registered there, or another history of it "
        "was shown; see the log.",
        [](std::uint64_t, const Stats& stats) { return stats.refusals; });
  registry.probe("signalbox_audit_witnessed_leaves",
                 "Leaves under the newest tree head with cosignatures of a quorum. Far behind "
                 "signalbox_audit_leaves_total: see the witnesses.",
                 [&services] { return static_cast<double>(services.log->witnesses()->witnessed()); });
}

void register_timestamp_probes(MetricRegistry& registry, const Services& services) {
  if (!services.log->timestamps()) return;
  registry.probe("signalbox_audit_timestamped_leaves", "Leaves under the tree head that was time-stamped last.",
                 [&services] { return static_cast<double>(services.log->timestamps()->stats().leaves); });
  registry.probe("signalbox_audit_timestamp_failures_total",
                 "Requests to the time-stamping authority that brought no stamp. Rising: see the log.",
                 [&services] { return static_cast<double>(services.log->timestamps()->stats().failures); });
}

void register_gate_probes(MetricRegistry& registry, const Services& services) {
  if (!services.gate) return;
  const auto probe = [&](std::string_view name, std::string_view help, auto member) {
    registry.probe(name, help, [&services, member] { return static_cast<double>(services.gate->stats().*member); });
  };
  using Stats = flow::WorkGate::Stats;
  probe("signalbox_flow_runs_at_work", "Runs that have a place (flows.at_work).", &Stats::at_work);
  probe("signalbox_flow_runs_queued",
        "Runs that wait for a place. Growing: more work comes than the limits of flows.at_work let through.",
        &Stats::queued);
  probe("signalbox_flow_runs_refused_total",
        "New runs that found their tenant's queue full (flows.at_work.queue), each time they were tried.",
        &Stats::refused);
}

}  // namespace

void register_metrics(Services& services, const std::vector<std::unique_ptr<Shard>>& shards) {
  auto& registry = process_metrics();
  register_process_probes(registry);
  const auto store_probe = [&](std::string_view name, std::string_view help, auto member) {
    registry.probe(name, help, [&services, member] {
      return services.store ? static_cast<double>(services.store->stats().*member) : 0.0;
    });
  };
  store_probe("signalbox_store_commits_total", "Transactions asked for.", &store::StoreStats::commits);
  store_probe("signalbox_store_groups_total",
              "Group commits, one fsync each. Commits divided by groups is the group's size: near 1 under load, the "
              "disk is fast or the load small.",
              &store::StoreStats::groups);
  store_probe("signalbox_store_queued_commits",
              "Transactions that wait. Near the bound, new work is refused: the disk is too slow for the load.",
              &store::StoreStats::queued);
  store_probe(
      "signalbox_store_scrub_owed",
      "1: after an erasure the write-ahead log could not be emptied, and copies of what was erased may be in it; "
      "the store tries again by itself. Where it stays, end what reads the database for long, or free space.",
      &store::StoreStats::scrub_owed);
  store_probe("signalbox_store_failed_groups_total",
              "Groups that could not be written. Any increase: free disk space, or look at the log for corruption.",
              &store::StoreStats::failed_groups);
  store_probe("signalbox_audit_leaves_total", "Leaves in the audit log.", &store::StoreStats::leaves);
  register_promise_metrics(services);
  register_witness_probes(registry, services);
  register_timestamp_probes(registry, services);
  const auto mirror_probe = [&](std::string_view name, std::string_view help, auto member) {
    registry.probe(name, help, [&services, member] {
      return services.mirror ? static_cast<double>(services.mirror->stats().*member) : 0.0;
    });
  };
  mirror_probe("signalbox_mirror_groups_committed_total", "Groups of commits that are to be in the mirror.",
               &mirror::MirrorStats::groups_committed);
  mirror_probe("signalbox_mirror_groups_mirrored_total",
               "Groups that are in the mirror: the watermark. Behind the committed ones for long: see the log.",
               &mirror::MirrorStats::groups_mirrored);
  mirror_probe("signalbox_mirror_lag_seconds",
               "Age of the oldest group that is not in the mirror: what the loss of this machine would cost now.",
               &mirror::MirrorStats::lag_seconds);
  mirror_probe("signalbox_mirror_failures_total",
               "Attempts that failed and were made again. Rising: the place is down, or refuses us; see the log.",
               &mirror::MirrorStats::failures);
  mirror_probe("signalbox_mirror_bytes_total", "Bytes sent to the mirror.", &mirror::MirrorStats::bytes);
  if (services.answers)
    registry.probe("signalbox_flow_cache_bytes",
                   "What answers that may be given again take in memory. At `cache.memory_mb` the oldest go.",
                   [&services] { return static_cast<double>(services.answers->size_bytes()); });
  register_gate_probes(registry, services);
  registry.probe("signalbox_flow_runs_in_flight",
                 "Runs in work. Near server.limits.max_in_flight, new work is refused.",
                 [&services] { return static_cast<double>(services.in_flight.size()); });
  const auto deployment_probe = [&](std::string_view name, std::string_view help, auto member) {
    registry.probe(name, help, [&services, &shards, member] {
      double sum = 0;
      for (const auto& shard : shards) {
        for (std::size_t i = 0; i < services.catalog->deployments().size(); ++i)
          sum += static_cast<double>(shard->deployment_stats(i).*member);
      }
      return sum;
    });
  };
  deployment_probe("signalbox_model_attempts_total", "Calls made to providers.", &model::DeploymentStats::attempts);
  deployment_probe("signalbox_model_failures_total",
                   "Calls that failed for a cause of the provider's. Rising: see the attempts of recent runs.",
                   &model::DeploymentStats::failures);
}

}  // namespace sb::server
