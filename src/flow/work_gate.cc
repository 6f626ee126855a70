#include "flow/work_gate.h"

#include <algorithm>

namespace sb::flow {

std::size_t WorkGate::limit_of(std::string_view tenant) const {
  const auto own = limits_.tenants.find(tenant);
  return own == limits_.tenants.end() ? limits_.per_tenant : own->second;
}

bool WorkGate::has_place(std::string_view tenant, std::string_view flow) const {
  if (limits_.all != 0 && stats_.at_work >= limits_.all) return false;
  const auto of_tenant = tenants_.find(tenant);
  const std::size_t most = limit_of(tenant);
  if (most != 0 && of_tenant != tenants_.end() && of_tenant->second.at_work >= most) return false;
  const auto limited = limits_.flows.find(flow);
  const auto working = flows_at_work_.find(flow);
  return limited == limits_.flows.end() || limited->second == 0 || working == flows_at_work_.end() ||
         working->second < limited->second;
}

bool WorkGate::takes(std::string_view tenant, std::string_view flow) {
  const std::lock_guard lock(mutex_);
  const auto known = tenants_.find(tenant);
  const bool taken = has_place(tenant, flow) || known == tenants_.end() || known->second.new_ones < limits_.queue;
  if (!taken) ++stats_.refused;
  return taken;
}

// Nobody waits who could be at work: so a place that is free is free for whoever comes.
std::unique_ptr<WorkGate::Ticket> WorkGate::join(std::string tenant, std::string flow, Turn turn, Micros since_us,
                                                 std::function<void()> granted) {
  std::unique_ptr<Ticket> ticket(new Ticket(*this, std::move(tenant), std::move(flow), std::move(granted)));
  const std::lock_guard lock(mutex_);
  ticket->order_ = {turn, since_us, joined_++};
  const bool at_once = has_place(ticket->tenant_, ticket->flow_);
  Tenant& own = tenants_[ticket->tenant_];
  if (at_once) {
    begin(own, *ticket);
    return ticket;
  }
  own.waiting[ticket->flow_].emplace(ticket->order_, ticket.get());
  own.new_ones += turn == Turn::last ? 1 : 0;
  waiting_.insert(ticket->tenant_);
  ++stats_.queued;
  return ticket;
}

void WorkGate::begin(Tenant& tenant, Ticket& ticket) {
  ++tenant.at_work;
  ++stats_.at_work;
  if (limits_.flows.contains(ticket.flow_)) ++flows_at_work_[ticket.flow_];
  ticket.at_work_ = true;
  served_last_ = ticket.tenant_;
}

// Of those that wait.
void WorkGate::forget(Tenant& tenant, const Ticket& ticket) {
  const auto flow = tenant.waiting.find(ticket.flow_);
  flow->second.erase(ticket.order_);
  if (flow->second.empty()) tenant.waiting.erase(flow);
  if (tenant.waiting.empty()) waiting_.erase(ticket.tenant_);
  tenant.new_ones -= std::get<Turn>(ticket.order_) == Turn::last ? 1 : 0;
  --stats_.queued;
}

void WorkGate::leave(Ticket& ticket) {
  std::vector<std::function<void()>> granted;
  {
    const std::lock_guard lock(mutex_);
    const auto own = tenants_.find(ticket.tenant_);
    if (ticket.at_work_) {
      --own->second.at_work;
      --stats_.at_work;
      const auto flow = flows_at_work_.find(ticket.flow_);
      if (flow != flows_at_work_.end() && --flow->second == 0) flows_at_work_.erase(flow);
      granted = hand_out();
    } else {
      forget(own->second, ticket);
    }
    if (own->second.at_work == 0 && own->second.waiting.empty()) tenants_.erase(own);
  }
  for (const auto& tell : granted) tell();
}

WorkGate::Ticket* WorkGate::next_of(const std::string& name, Tenant& tenant) {
  Ticket* next = nullptr;
  for (const auto& [flow, tickets] : tenant.waiting) {
    Ticket* const oldest = tickets.begin()->second;
    if ((!next || oldest->order_ < next->order_) && has_place(name, flow)) next = oldest;
  }
  return next;
}

WorkGate::Ticket* WorkGate::next() {
  // The tenants after the one that was served last, then the others.
  const auto after = waiting_.upper_bound(served_last_);
  for (const auto& [from, to] : {std::pair(after, waiting_.end()), std::pair(waiting_.begin(), after)}) {
    for (auto name = from; name != to; ++name) {
      if (Ticket* const ticket = next_of(*name, tenants_.find(*name)->second)) return ticket;
    }
  }
  return nullptr;
}

std::vector<std::function<void()>> WorkGate::hand_out() {
  std::vector<std::function<void()>> granted;
  while (Ticket* const ticket = next()) {
    Tenant& own = tenants_.find(ticket->tenant_)->second;
    forget(own, *ticket);
    begin(own, *ticket);
    granted.push_back(ticket->granted_);
  }
  return granted;
}

WorkGate::Stats WorkGate::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace sb::flow
