// Where a machine stands, as compact JSON, and back.
//
// {"context": D, "now": T, "next": [n, e], "at": [BRANCH], "failed": n, "since": T, "data": [JSON]}
// D is an index in `data`, each document once however many places hold it; -1 is the run's own input. Numbers of
// branches and frames that are 0 are left out.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/json_writer.h"
#include "flow/machine.h"

namespace sb::flow {
namespace {

class Table {
 public:
  explicit Table(const Data& run_input) : run_input_(run_input) {}

  std::int64_t add(const Data& data) {
    if (data.same_as(run_input_)) return -1;
    const auto known = std::ranges::find_if(all_, [&](const Data& other) { return other.same_as(data); });
    if (known != all_.end()) return known - all_.begin();
    all_.push_back(data);
    return static_cast<std::int64_t>(all_.size()) - 1;
  }
  void write_documents(JsonWriter& out) const {
    out.key("data").begin_array();
    for (const auto& data : all_) out.raw(text_of(data));
    out.end_array();
  }

 private:
  const Data& run_input_;
  // What does not read as JSON, or is nested too deeply to be read again, is null to the flow as well.
  static std::string_view text_of(const Data& data) {
    return data.value().is_null() ? std::string_view("null") : std::string_view(data.text());
  }

  std::vector<Data> all_;
};

void write_data(JsonWriter& out, std::string_view name, Table& table, const std::optional<Data>& data) {
  out.key(name);
  if (data)
    out.number(table.add(*data));
  else
    out.raw("null");
}

void write_numbers(JsonWriter& out, std::string_view name, std::initializer_list<std::uint64_t> numbers) {
  out.key(name).begin_array();
  for (const auto number : numbers) out.number(number);
  out.end_array();
}

}  // namespace

struct Machine::Writing {
  JsonWriter& out;
  Table& table;

  void frame(const Frame& frame, const Binding* around) const;
  void progress(const Progress& progress) const;
};

// `around`: bindings that the frame has from those outside of it.
void Machine::Writing::frame(const Frame& frame, const Binding* around) const {
  out.begin_object().member("r", static_cast<int>(frame.role));
  if (frame.index != 0) out.member("i", frame.index);
  out.member("raw", table.add(frame.raw));
  const bool fresh = frame.role == Role::function || frame.role == Role::before || frame.role == Role::after;
  if (!fresh && frame.locals.get() != around) {
    out.key("l").begin_array();  // those that the frame added, innermost first
    for (const auto* own = frame.locals.get(); own && own != around; own = own->outer.get())
      out.number(table.add(own->value));
    out.end_array();
  }
  if (frame.slot != 0) out.member("b", frame.slot);
  if (frame.list_deadline_us != 0) out.member("ld", frame.list_deadline_us);
  if (frame.entered) out.member("e", true);
  if (frame.stage != 0) out.member("s", frame.stage);
  if (frame.effect != 0) out.member("fx", frame.effect);
  if (frame.started_us != 0) out.member("t", frame.started_us);
  if (frame.deadline_us != 0) out.member("d", frame.deadline_us);
  if (frame.input) out.member("in", table.add(*frame.input));
  if (frame.output) {
    out.member("out", table.add(*frame.output));
    write_numbers(out, "then", {static_cast<std::uint64_t>(frame.then.kind), frame.then.target});
  }
  if (frame.progress) progress(*frame.progress);
  out.end_object();
}

void Machine::Writing::progress(const Progress& progress) const {
  out.key("p").begin_object();
  write_data(out, "items", table, progress.items);
  write_data(out, "current", table, progress.current);
  write_numbers(out, "n",
                {progress.at, progress.attempt, static_cast<std::uint64_t>(progress.first_us), progress.matched,
                 progress.until_matched});
  out.key("outputs").raw(json::serialize(progress.outputs)).key("queue").raw(json::serialize(progress.queue));
  out.key("correlated").raw(json::serialize(progress.correlated)).member("satisfied", progress.satisfied).end_object();
}

// Written front to back: there is one for each step, and a tree of values to be thrown away would cost thrice as much.
std::string Machine::checkpoint() const {
  Table table(run_input_);
  JsonWriter out(512);
  out.begin_object().member("context", table.add(context_)).member("now", now_);
  write_numbers(out, "next", {next_branch_, next_effect_});
  if (!authorization_.is_null()) out.key("authorization").raw(to_text(authorization_));
  out.key("at").begin_array();
  for (const auto& branch : branches_) {
    const bool parked = branch.state != State::ready && branch.state != State::effect;
    const auto state = static_cast<int>(parked ? branch.state : State::ready);
    out.begin_object();
    if (branch.id != 0) {
      out.member("id", branch.id);
      write_numbers(out, "of", {branch.parent, branch.depth});
    }
    if (state != 0) out.member("state", state);
    if (branch.wake != Wake{}) out.member("wake", static_cast<int>(branch.wake));
    if (branch.until_us != 0) out.member("until", branch.until_us);
    const Binding* around = nullptr;
    if (branch.id != 0) {
      const auto parent = std::ranges::find(branches_, branch.parent, &Branch::id);
      around = parent->frames[branch.depth].locals.get();
    }
    out.key("frames").begin_array();
    for (const auto& frame : branch.frames) {
      Writing{out, table}.frame(frame, around);
      around = frame.locals.get();
    }
    out.end_array().end_object();
  }
  out.end_array();
  if (failed_) out.member("failed", *failed_);
  if (since_us_ != 0) out.member("since", since_us_);
  table.write_documents(out);
  return std::move(out.end_object()).take();
}

const TaskList* Machine::list_of(Role role, const Frame* owner, std::uint32_t slot) const {
  if (role == Role::root) return &flow_->root;
  if (!owner || owner->index >= owner->list->tasks.size()) return nullptr;
  const auto& task = owner->task();
  const auto stage = owner->stage;
  switch (role) {
    case Role::body:
      if (const auto* body = std::get_if<DoTask>(&task.body)) return &body->list;
      break;
    case Role::iteration:
      if (const auto* loop = std::get_if<ForTask>(&task.body)) return &loop->list;
      break;
    case Role::attempt:
      if (const auto* guarded = std::get_if<TryTask>(&task.body)) return &guarded->list;
      break;
    case Role::handler:
      if (const auto* guarded = std::get_if<TryTask>(&task.body); guarded && guarded->handler)
        return &*guarded->handler;
      break;
    case Role::before:
      if (stage > 0 && stage <= task.extensions.size() && task.extensions[stage - 1U]->before)
        return &*task.extensions[stage - 1U]->before;
      break;
    case Role::after:
      if (stage > task.extensions.size() && stage <= 2 * task.extensions.size() &&
          task.extensions[stage - 1U - task.extensions.size()]->after)
        return &*task.extensions[stage - 1U - task.extensions.size()]->after;
      break;
    case Role::function:
      if (const auto* call = std::get_if<CallTask>(&task.body)) return call->body.get();
      break;
    case Role::each:
      if (const auto* listen = std::get_if<ListenTask>(&task.body); listen && listen->each) return &*listen->each;
      break;
    case Role::branch:
      if (const auto* fork = std::get_if<ForkTask>(&task.body); fork && slot < fork->branches.size())
        return &fork->branches[slot];
      break;
    case Role::root:
      break;
  }
  return nullptr;
}

namespace {

constexpr std::int64_t kAbsent = -2;

std::int64_t number_at(const json::value* list, std::size_t i) {
  const auto* array = list ? list->if_array() : nullptr;
  return array && i < array->size() && (*array)[i].is_int64() ? (*array)[i].get_int64() : 0;
}
json::array array_of(const json::value& object, std::string_view key) {
  const auto* found = find_member(object, key);
  return found && found->is_array() ? found->get_array() : json::array();
}

}  // namespace

Result<Machine::Frame> Machine::restore_frame(const json::value& packed, const Branch& branch,
                                              const std::vector<Data>& table) {
  const auto bad = [&] {
    return fail(Errc::corrupt, fmt::format("checkpoint of run {} does not fit flow {}", run_.id, flow_->id()));
  };
  const auto data_at = [&](std::int64_t index) -> std::optional<Data> {
    if (index == -1) return run_input_;
    if (index < 0 || static_cast<std::size_t>(index) >= table.size()) return std::nullopt;
    return table[static_cast<std::size_t>(index)];
  };
  const auto data_member = [&](const json::value& of, std::string_view key) {
    return data_at(int_member(of, key, kAbsent));
  };
  const auto role = static_cast<Role>(int_member(packed, "r"));
  const auto slot = static_cast<std::uint32_t>(int_member(packed, "b"));
  const Frame* owner = branch.frames.empty() ? nullptr : &branch.frames.back();
  if (!owner && role == Role::branch) {
    const auto parent = std::ranges::find(branches_, branch.parent, &Branch::id);
    if (parent == branches_.end() || branch.depth >= parent->frames.size()) return bad();
    owner = &parent->frames[branch.depth];
  }
  const TaskList* list = list_of(role, owner, slot);
  const auto raw = data_member(packed, "raw");
  if (!list || !raw) return bad();
  const bool fresh = role == Role::function || role == Role::before || role == Role::after;
  Bindings locals = owner && !fresh ? owner->locals : nullptr;
  const auto own = array_of(packed, "l");
  for (std::size_t i = own.size(); i-- > 0;) {
    const auto value = own[i].is_int64() ? data_at(own[i].get_int64()) : std::nullopt;
    if (!value) return bad();
    locals = std::make_shared<const Binding>(Binding{std::move(locals), *value});
  }
  Frame frame{list, role, std::move(locals), *raw};
  frame.index = static_cast<std::size_t>(int_member(packed, "i"));
  if (frame.index > list->tasks.size()) return bad();
  frame.slot = slot;
  frame.list_deadline_us = int_member(packed, "ld");
  frame.entered = bool_member(packed, "e");
  frame.stage = static_cast<std::uint16_t>(int_member(packed, "s"));
  frame.effect = static_cast<std::uint32_t>(int_member(packed, "fx"));
  frame.started_us = int_member(packed, "t");
  frame.deadline_us = int_member(packed, "d");
  frame.input = data_member(packed, "in");
  frame.output = data_member(packed, "out");
  if (const auto* then = find_member(packed, "then"))
    frame.then = {static_cast<Transition::Kind>(number_at(then, 0)), static_cast<std::size_t>(number_at(then, 1))};
  if (frame.entered && !frame.input) return bad();
  if (const auto* p = find_member(packed, "p")) {
    frame.progress = std::make_unique<Progress>();
    auto& progress = *frame.progress;
    progress.items = data_member(*p, "items");
    progress.current = data_member(*p, "current");
    const auto* n = find_member(*p, "n");
    progress.at = static_cast<std::size_t>(number_at(n, 0));
    progress.attempt = static_cast<std::uint32_t>(number_at(n, 1));
    progress.first_us = number_at(n, 2);
    progress.matched = static_cast<std::uint64_t>(number_at(n, 3));
    progress.until_matched = static_cast<std::uint64_t>(number_at(n, 4));
    progress.outputs = array_of(*p, "outputs");
    progress.queue = array_of(*p, "queue");
    if (const auto* correlated = find_member(*p, "correlated"); correlated && correlated->is_object())
      progress.correlated = correlated->get_object();
    progress.satisfied = bool_member(*p, "satisfied");
  }
  return frame;
}

Result<> Machine::restore_state(const json::value& state) {
  const auto bad = [&] {
    return fail(Errc::corrupt, fmt::format("checkpoint of run {} does not fit flow {}", run_.id, flow_->id()));
  };
  std::vector<Data> table;
  for (const auto& document : array_of(state, "data")) table.emplace_back(document);
  const auto context = int_member(state, "context", kAbsent);
  if (context < -1 || context >= static_cast<std::int64_t>(table.size())) return bad();
  context_ = context == -1 ? run_input_ : table[static_cast<std::size_t>(context)];
  now_ = int_member(state, "now");
  const auto* next = find_member(state, "next");
  next_branch_ = static_cast<std::uint32_t>(number_at(next, 0));
  next_effect_ = static_cast<std::uint32_t>(number_at(next, 1));
  if (const auto* authorization = find_member(state, "authorization")) authorization_ = *authorization;
  if (find_member(state, "failed")) failed_ = static_cast<std::uint32_t>(int_member(state, "failed"));
  since_us_ = int_member(state, "since");
  if (since_us_ != 0 && deadline_us_ != 0) deadline_us_ += since_us_ - run_.started_us;
  branches_.clear();
  timed_ = true;
  for (const auto& packed : array_of(state, "at")) {
    auto& branch = branches_.emplace_back();
    const auto* of = find_member(packed, "of");
    branch.id = static_cast<std::uint32_t>(int_member(packed, "id"));
    branch.parent = static_cast<std::uint32_t>(number_at(of, 0));
    branch.depth = static_cast<std::size_t>(number_at(of, 1));
    branch.state = static_cast<State>(int_member(packed, "state"));
    branch.wake = static_cast<Wake>(int_member(packed, "wake"));
    branch.until_us = int_member(packed, "until");
    for (const auto& frame : array_of(packed, "frames")) {
      SB_TRY(auto restored, restore_frame(frame, branch, table));
      branch.frames.push_back(std::move(restored));
    }
    if (branch.frames.empty()) return bad();
  }
  return branches_.empty() ? Result<>(bad()) : Result<>();
}

Result<Machine> Machine::restore(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input,
                                 std::string_view checkpoint) {
  constexpr std::size_t kDepth = 80;  // ours around documents of at most 64
  SB_TRY(const auto state, parse_json(checkpoint, kDepth));
  Machine machine(std::move(flow), std::move(run), std::move(input));
  if (machine.problem_) return machine;  // its input was refused, as it was the first time
  SB_CHECK(machine.restore_state(state));
  return machine;
}

}  // namespace sb::flow
