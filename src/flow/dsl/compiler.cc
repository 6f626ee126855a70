#include "flow/dsl/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/bytes.h"
#include "base/crypto.h"
#include "flow/dsl/cron.h"

namespace sb::flow::dsl {
namespace {

constexpr std::size_t kMaxTasks = 1'000;
constexpr std::size_t kMaxFindings = 50;
constexpr std::array<std::string_view, 12> kTaskTypes = {"call",  "do",  "emit", "for",    "fork", "listen",
                                                         "raise", "run", "set",  "switch", "try",  "wait"};

bool is_name(std::string_view text) {
  const auto inner = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'; };
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, inner) && text.front() != '-' &&
         text.back() != '-';
}

/// SemVer 2.0.0, as far as its characters go.
bool is_version(std::string_view text) {
  const auto core = text.substr(0, text.find_first_of("-+"));
  const auto numbers = split(core, '.');
  const auto number = [](std::string_view n) {
    return !n.empty() && (n == "0" || n.front() != '0') &&
           std::ranges::all_of(n, [](char c) { return c >= '0' && c <= '9'; });
  };
  const auto rest = text.substr(core.size());
  return numbers.size() == 3 && std::ranges::all_of(numbers, number) && text.size() <= 63 &&
         (rest.empty() || (rest.size() > 1 && std::ranges::all_of(rest, [](char c) {
                             return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '+' ||
                                    c == '.';
                           })));
}

/// Puts a value there, with the objects on the way to it. The names in `pointer` need no escapes.
void put_at(json::value& document, std::string_view pointer, const json::value& value) {
  auto* at = &document;
  for (const auto part : split(pointer.substr(1), '/')) {
    if (!at->is_object()) at->emplace_object();
    at = &at->get_object()[part];
  }
  *at = value;
}

std::string_view extended_as(std::string_view type) {
  return type == "do" || type == "fork" ? "composite" : type;
}

}  // namespace

std::unexpected<Error> Compiler::fault(std::string_view pointer, std::string_view what, Errc code) const {
  return fail(code, std::string(what), std::string(pointer));
}

// What is wrong with a function of a catalog is told where it is called, with its own line.
void Compiler::note(const Error& error, bool warning) {
  for (const auto& [pointer, document] : catalog_documents_) {
    if (!error.param.starts_with(pointer)) continue;
    const auto rest = std::string_view(error.param).substr(pointer.size());
    if (!rest.empty() && rest.front() != '/') continue;
    const auto called = yaml_.position_of(document.called), inside = document.yaml.position_of(rest);
    findings_.push_back({error.code, warning, called.line, called.column, document.called,
                         fmt::format("{}, line {} of its text: {}", pointer.substr(pointer.rfind('/') + 1), inside.line,
                                     error.detail)});
    return;
  }
  const auto at = yaml_.position_of(error.param);
  findings_.push_back({error.code, warning, at.line, at.column, error.param, error.detail});
}

std::vector<FlowFinding> Compiler::take_findings() {
  std::ranges::stable_sort(findings_, [](const FlowFinding& a, const FlowFinding& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  if (findings_.size() > kMaxFindings) {
    std::ranges::stable_partition(findings_, [](const FlowFinding& finding) { return !finding.warning; });
    findings_.resize(kMaxFindings);
  }
  return std::move(findings_);
}

Result<> Compiler::only(const json::value& object, std::string_view pointer,
                        std::initializer_list<std::string_view> known,
                        std::initializer_list<std::string_view> unsupported) const {
  for (const auto& [key, value] : object.get_object()) {
    const std::string_view name = key;
    if (std::ranges::find(known, name) != known.end()) continue;
    const auto at = pointer_append(pointer, name);
    if (std::ranges::find(unsupported, name) != unsupported.end())
      return fault(at, fmt::format("`{}` is not supported by this server", name), Errc::unsupported);
    const std::vector<std::string> names(known.begin(), known.end());
    const auto near = nearest(name, names);
    return fault(at,
                 near ? fmt::format("the DSL has no `{}` here; did you mean `{}`?", name, *near)
                      : fmt::format("the DSL has no `{}` here", name),
                 Errc::unsupported);
  }
  return {};
}

Result<const json::object*> Compiler::object_at(const json::value& value, std::string_view pointer,
                                                std::string_view what) const {
  const auto* object = value.if_object();
  if (!object) return fault(pointer, what);
  return object;
}

Flow Compiler::compile() {
  Flow flow;
  const auto& root = yaml_.value;
  check(only(root, "", {"document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"}));
  check(head(flow));
  if (const auto* evaluate = find_member(root, "evaluate")) {
    if (string_member(*evaluate, "language", "jq") != "jq")
      check(fault("/evaluate/language", "expressions are written in jq here", Errc::unsupported));
    if (string_member(*evaluate, "mode", "strict") != "strict")
      check(
          fault("/evaluate/mode", "only mode `strict` is supported: write expressions as ${ ... }", Errc::unsupported));
  }
  if (const auto* components = find_member(root, "use")) use(flow, *components);
  Stage input, output;
  if (const auto* value = find_member(root, "input")) keep(input, stage(*value, "/input", "from"));
  if (const auto* value = find_member(root, "output")) keep(output, stage(*value, "/output", "as"));
  flow.input_from = std::move(input.transform);
  flow.input_schema = std::move(input.schema);
  flow.output_as = std::move(output.transform);
  flow.output_schema = std::move(output.schema);
  if (const auto* value = find_member(root, "timeout")) {
    Duration limit;
    keep(limit, timeout(*value, "/timeout"));
    flow.timeout = std::move(limit);
  }
  if (const auto* value = find_member(root, "schedule")) keep(flow.schedule, schedule(*value, "/schedule"));
  const auto* tasks = find_member(root, "do");
  if (tasks)
    keep(flow.root, list(*tasks, "/do"));
  else
    note(Error(Errc::invalid_argument, "a flow needs `do`: a list of named tasks"));
  flow.document = yaml_.value;
  for (const auto& [pointer, document] : catalog_documents_) put_at(flow.document, pointer, document.yaml.value);
  return flow;
}

Result<> Compiler::head(Flow& flow) const {
  const auto* document = find_member(yaml_.value, "document");
  if (!document || !document->is_object())
    return fault("", "a flow needs `document` with dsl, namespace, name and version");
  SB_CHECK(
      only(*document, "/document", {"dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"}));
  const struct {
    const char* key;
    bool (*fits)(std::string_view);
    const char* want;
    std::string* into;
  } fields[] = {{"namespace", is_name, "letters, digits and dashes, at most 63", &flow.ns},
                {"name", is_name, "letters, digits and dashes, at most 63", &flow.name},
                {"version", is_version, "a semantic version such as 1.0.0", &flow.version}};
  for (const auto& field : fields) {
    const std::string value(string_member(*document, field.key));
    if (!field.fits(value))
      return fault(pointer_append("/document", field.key), fmt::format("`{}` must be {}", field.key, field.want));
    *field.into = value;
  }
  if (!string_member(*document, "dsl").starts_with("1.0.")) {
    return fault("/document/dsl", "`dsl` must be 1.0.x: this server speaks Open Workflow DSL 1.0.3", Errc::unsupported);
  }
  const auto* metadata = find_member(*document, "metadata");
  const auto* durability = metadata ? find_member(*metadata, "durability") : nullptr;
  return durability ? read_durability(*durability, flow) : Result<>();
}

// The one member of `metadata` that we read: how a flow's runs are stored is for its author to say.
Result<> Compiler::read_durability(const json::value& said, Flow& flow) const {
  for (const auto durability : {Durability::sync, Durability::async, Durability::exit}) {
    if (said.is_string() && said.get_string() == to_string(durability)) {
      flow.durability = durability;
      return {};
    }
  }
  return fault("/document/metadata/durability", "`durability` must be sync, async or exit");
}

void Compiler::use(Flow& flow, const json::value& value) {
  if (!value.is_object()) return note(Error(Errc::invalid_argument, "`use` is an object of components", "/use"));
  check(only(value, "/use",
             {"authentications", "errors", "extensions", "functions", "retries", "secrets", "timeouts", "catalogs"}));
  if (const auto* all = find_member(value, "catalogs")) check(catalogs(*all));
  if (const auto* policies = find_member(value, "authentications"); policies && policies->is_object()) {
    for (const auto& [name, policy] : policies->get_object())
      check(authentication(policy, pointer_append("/use/authentications", name)));
  }
  if (const auto* retries = find_member(value, "retries"); retries && retries->is_object()) {
    for (const auto& [name, policy] : retries->get_object()) {
      if (auto made = with_locals({"error"}, [&] { return retry(policy, pointer_append("/use/retries", name)); });
          !made)
        note(made.error());
    }
  }
  if (const auto* secrets = find_member(value, "secrets"); secrets && secrets->is_array()) {
    for (const auto& name : secrets->get_array()) {
      if (name.is_string()) flow.secrets.emplace_back(name.get_string());
    }
  }
  const auto* extensions = find_member(value, "extensions");
  if (!extensions || !extensions->is_array()) return;
  std::vector<ExtensionUse> made;  // extensions do not extend each other
  for (std::size_t i = 0; i < extensions->get_array().size(); ++i) {
    const auto& item = extensions->get_array()[i];
    const auto at_item = fmt::format("/use/extensions/{}", i);
    if (!item.is_object() || item.get_object().size() != 1 || !item.get_object().begin()->value().is_object()) {
      note(Error(Errc::invalid_argument, "an extension is one name with its definition", at_item));
      continue;
    }
    const std::string name(item.get_object().begin()->key());
    const auto& definition = item.get_object().begin()->value();
    const auto at = pointer_append(at_item, name);
    check(only(definition, at, {"extend", "when", "before", "after"}));
    auto extension = std::make_shared<Extension>();
    extension->name = name;
    if (const auto* when = find_member(definition, "when")) {
      if (auto compiled = expression_at(*when, pointer_append(at, "when")))
        extension->when = *std::move(compiled);
      else
        note(compiled.error());
    }
    for (const auto& [key, into] : {std::pair("before", &extension->before), std::pair("after", &extension->after)}) {
      const auto* tasks = find_member(definition, key);
      if (!tasks) continue;
      if (auto compiled = list(*tasks, pointer_append(at, key)))
        *into = *std::move(compiled);
      else
        note(compiled.error());
    }
    const std::string extend(string_member(definition, "extend"));
    constexpr std::array kinds = {"call", "composite", "emit",   "for", "listen", "raise",
                                  "run",  "set",       "switch", "try", "wait",   "all"};
    if (std::ranges::find(kinds, extend) == kinds.end())
      note(Error(Errc::invalid_argument, fmt::format("`extend` is one of {}", fmt::join(kinds, ", ")),
                 pointer_append(at, "extend")));
    made.push_back({extend, std::move(extension)});
  }
  extensions_ = std::move(made);
}

Result<Schedule> Compiler::schedule(const json::value& value, const Pointer& pointer) {
  SB_CHECK(object_at(value, pointer, "`schedule` is an object with every, cron, after or on"));
  SB_CHECK(only(value, pointer, {"every", "cron", "after", "on", "read"}));
  Schedule made;
  if (const auto* every = find_member(value, "every")) {
    SB_TRY(made.every, duration(*every, pointer + "/every"));
    if (made.every->computed || made.every->fixed_us <= 0)
      return fault(pointer + "/every", "must be a fixed length of time above zero");
  }
  if (const auto* after = find_member(value, "after")) {
    SB_TRY(made.after, duration(*after, pointer + "/after"));
    if (made.after->computed) return fault(pointer + "/after", "must be a fixed length of time");
  }
  if (find_member(value, "cron")) {
    made.cron = string_member(value, "cron");
    if (auto parsed = Cron::parse(made.cron); !parsed) return fault(pointer + "/cron", parsed.error().detail);
  }
  if (const auto* on = find_member(value, "on")) {
    SB_TRY(made.on, strategy(*on, pointer + "/on"));
  }
  if (find_member(value, "read")) {
    if (!made.on) return fault(pointer + "/read", "`read` goes with `on`");
    const auto read = string_member(value, "read");
    if (read != "data" && read != "envelope" && read != "raw")
      return fault(pointer + "/read", "is one of data, envelope, raw");
    made.read = read == "data" ? ReadAs::data : read == "raw" ? ReadAs::raw : ReadAs::envelope;
  }
  if (!made.any()) return fault(pointer, "needs one of every, cron, after, on");
  return made;
}

Result<TaskList> Compiler::list(const json::value& value, const Pointer& pointer) {
  const auto* items = value.if_array();
  if (!items || items->empty()) return fault(pointer, "must be a list of tasks, each with one name");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto at = pointer_append(pointer, std::to_string(i));
    const auto* item = (*items)[i].if_object();
    if (!item || item->size() != 1) return fault(at, "a task is one name with its definition");
    names.emplace_back(item->begin()->key());
    if (std::ranges::count(names, names.back()) > 1)
      return fault(at, fmt::format("task `{}` appears twice in one list", names.back()));
  }
  TaskList compiled;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto at = pointer_append(pointer_append(pointer, std::to_string(i)), names[i]);
    auto node = task((*items)[i].get_object().begin()->value(), at, names[i], names);
    if (node)
      compiled.tasks.push_back(*std::move(node));
    else
      note(node.error());
  }
  if (compiled.tasks.size() == names.size()) warn_unreachable(compiled, pointer);
  return compiled;
}

void Compiler::warn_unreachable(const TaskList& list, const Pointer& pointer) {
  std::vector<bool> reached(list.tasks.size());
  std::vector<std::size_t> open{0};
  const auto follow = [&](std::size_t from, const Transition& then) {
    if (then.kind == Transition::Kind::to) open.push_back(then.target);
    if (then.kind == Transition::Kind::next) open.push_back(from + 1);
  };
  while (!open.empty()) {
    const auto at = open.back();
    open.pop_back();
    if (at >= list.tasks.size() || reached[at]) continue;
    reached[at] = true;
    const auto& task = list.tasks[at];
    const auto* choice = std::get_if<SwitchTask>(&task.body);
    const bool always = choice && std::ranges::any_of(choice->cases, [](const auto& one) { return !one.when; });
    if (choice)
      for (const auto& one : choice->cases) follow(at, one.then);
    if (!always) follow(at, task.then);
    if (const auto* guarded = std::get_if<TryTask>(&task.body); guarded && guarded->then) follow(at, *guarded->then);
    if (task.condition) open.push_back(at + 1);
  }
  for (std::size_t i = 0; i < reached.size(); ++i) {
    if (!reached[i])
      note(Error(Errc::invalid_argument, fmt::format("task `{}` is never reached", list.tasks[i].name),
                 pointer_append(pointer_append(pointer, std::to_string(i)), list.tasks[i].name)),
           true);
  }
}

Result<TaskNode> Compiler::task(const json::value& value, const Pointer& pointer, const std::string& name,
                                Names siblings) {
  if (++task_count_ > kMaxTasks)
    return fault(pointer, fmt::format("a flow has at most {} tasks", kMaxTasks), Errc::too_large);
  if (!value.is_object()) return fault(pointer, "a task is an object");
  std::vector<std::string_view> types;
  for (const auto candidate : kTaskTypes) {
    if (value.get_object().contains(candidate)) types.push_back(candidate);
  }
  if (types.size() == 2 && types[0] == "do" && types[1] == "for") types = {"for"};
  if (types.empty()) {
    std::vector<std::string> known(kTaskTypes.begin(), kTaskTypes.end());
    for (const auto& [key, ignored] : value.get_object()) {
      if (const auto near = nearest(std::string_view(key), known))
        return fault(pointer_append(pointer, key),
                     fmt::format("the DSL has no task `{}`; did you mean `{}`?", std::string_view(key), *near),
                     Errc::unsupported);
    }
    return fault(pointer, fmt::format("a task needs one of {}", fmt::join(kTaskTypes, ", ")));
  }
  if (types.size() > 1) return fault(pointer, fmt::format("a task is one thing, not {}", fmt::join(types, " and ")));
  TaskNode node{name, pointer, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, DoTask{}};
  common(node, value, siblings);
  extend(node, types.front());
  return body(std::move(node), value, types.front(), siblings);
}

void Compiler::extend(TaskNode& node, std::string_view type) {
  for (const auto& use : extensions_) {
    if (use.extend == "all" || use.extend == extended_as(type)) node.extensions.push_back(use.extension);
  }
}

Result<TaskNode> Compiler::body(TaskNode node, const json::value& value, std::string_view type, Names siblings) {
  const bool with = type == "call", loops = type == "for", listens = type == "listen", tries = type == "try";
  SB_CHECK(only(value, node.ref,
                {"if", "input", "output", "export", "timeout", "then", "metadata", type, with ? "with" : type,
                 loops ? "while" : type, loops ? "do" : type, listens ? "foreach" : type, tries ? "catch" : type}));
  const auto& definition = value.at(type);
  const auto at = pointer_append(node.ref, type);
  if (type == "call") return call(std::move(node), value);
  if (type == "set") {
    if (definition.is_object() ? definition.get_object().empty() : !definition.is_string())
      return fault(at, "`set` is an object with at least one member, or an expression");
    SB_TRY(auto made, definition.is_string() ? shaping(definition, at) : template_at(definition, at));
    node.body = SetTask{std::move(made)};
    return node;
  }
  if (type == "do") {
    SB_TRY(auto nested, list(definition, at));
    node.body = DoTask{std::move(nested)};
    return node;
  }
  if (type == "wait") {
    SB_TRY(auto time, duration(definition, at));
    node.body = WaitTask{std::move(time)};
    return node;
  }
  if (type == "switch") return switch_task(std::move(node), definition, siblings);
  if (type == "raise") return raise(std::move(node), definition);
  if (type == "for") return for_task(std::move(node), value);
  if (type == "fork") return fork(std::move(node), definition);
  if (type == "try") return try_task(std::move(node), value, siblings);
  if (type == "emit") return emit(std::move(node), definition);
  if (type == "listen") return listen(std::move(node), value);
  return run(std::move(node), definition);
}

void Compiler::common(TaskNode& node, const json::value& value, Names siblings) {
  const auto at = [&](std::string_view key) { return pointer_append(node.ref, key); };
  if (const auto* condition = find_member(value, "if")) {
    auto made = expression_at(*condition, at("if"));
    if (made)
      node.condition = *std::move(made);
    else
      note(made.error());
  }
  Stage input, output, exported;
  if (const auto* part = find_member(value, "input")) keep(input, stage(*part, at("input"), "from"));
  if (const auto* part = find_member(value, "output")) keep(output, stage(*part, at("output"), "as"));
  if (const auto* part = find_member(value, "export")) keep(exported, stage(*part, at("export"), "as"));
  node.input_from = std::move(input.transform);
  node.input_schema = std::move(input.schema);
  node.output_as = std::move(output.transform);
  node.output_schema = std::move(output.schema);
  node.export_as = std::move(exported.transform);
  node.export_schema = std::move(exported.schema);
  if (const auto* limit = find_member(value, "timeout")) {
    Duration made;
    keep(made, timeout(*limit, at("timeout")));
    node.timeout = std::move(made);
  }
  if (const auto* then = find_member(value, "then")) keep(node.then, transition(*then, at("then"), siblings));
}

}  // namespace sb::flow::dsl

namespace sb::flow {

std::string_view TaskNode::kind() const {
  struct Name {
    std::string_view operator()(const CallTask& task) const { return task.function; }
    std::string_view operator()(const SetTask&) const { return "set"; }
    std::string_view operator()(const SwitchTask&) const { return "switch"; }
    std::string_view operator()(const RaiseTask&) const { return "raise"; }
    std::string_view operator()(const DoTask&) const { return "do"; }
    std::string_view operator()(const ForTask&) const { return "for"; }
    std::string_view operator()(const ForkTask&) const { return "fork"; }
    std::string_view operator()(const TryTask&) const { return "try"; }
    std::string_view operator()(const WaitTask&) const { return "wait"; }
    std::string_view operator()(const EmitTask&) const { return "emit"; }
    std::string_view operator()(const ListenTask&) const { return "listen"; }
    std::string_view operator()(const RunTask&) const { return "run"; }
  };
  return std::visit(Name{}, body);
}

std::string FlowFinding::to_string(std::string_view origin) const {
  return fmt::format("{}:{}:{}: {}{}", origin, line, column, warning ? "warning: " : "", message);
}

namespace {

FlowReport check_flow_with(std::string_view text, std::span<const std::string> functions, const Cataloged* cataloged,
                           const ContainerOptions* containers) {
  FlowReport report;
  auto yaml = parse_yaml(text);  // JSON is YAML
  if (!yaml) {
    FlowFinding finding{yaml.error().code, false, 1, 1, "", yaml.error().detail};
    int used = 0;
    if (std::sscanf(yaml.error().detail.c_str(), "line %d, column %d: %n", &finding.line, &finding.column, &used) == 2)
      finding.message.erase(0, static_cast<std::size_t>(used));
    report.findings.push_back(std::move(finding));
    return report;
  }
  if (!yaml->value.is_object()) {
    report.findings.push_back(
        {Errc::invalid_argument, false, 1, 1, "", "a flow is an object with `document` and `do`"});
    return report;
  }
  dsl::Compiler compiler(*yaml, functions, cataloged, containers);
  auto flow = compiler.compile();
  report.findings = compiler.take_findings();
  if (!std::ranges::all_of(report.findings, [](const auto& finding) { return finding.warning; })) return report;
  flow.source = std::string(text);
  flow.hash = to_hex(sha256(text));
  if (cataloged && !cataloged->empty()) flow.hash = to_hex(sha256(cataloged->to_text(flow.hash)));
  report.flow = std::make_shared<const Flow>(std::move(flow));
  return report;
}

}  // namespace

FlowReport check_flow(std::string_view text, std::span<const std::string> functions) {
  return check_flow_with(text, functions, nullptr, nullptr);
}

FlowReport check_flow(std::string_view text, std::span<const std::string> functions, const Cataloged& cataloged,
                      const ContainerOptions* containers) {
  return check_flow_with(text, functions, &cataloged, containers);
}

Result<std::shared_ptr<const Flow>> load_flow(std::string_view text, std::string_view origin,
                                              std::span<const std::string> functions) {
  return load_flow(text, origin, functions, Cataloged());
}

Result<std::shared_ptr<const Flow>> load_flow(std::string_view text, std::string_view origin,
                                              std::span<const std::string> functions, const Cataloged& cataloged,
                                              const ContainerOptions* containers) {
  auto report = check_flow(text, functions, cataloged, containers);
  if (report.flow) return report.flow;
  const auto& first = *std::ranges::find_if(report.findings, [](const auto& finding) { return !finding.warning; });
  return fail(first.code, first.to_string(origin), first.pointer);
}

}  // namespace sb::flow
