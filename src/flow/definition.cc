#include "flow/definition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/yaml.h"

namespace sb::flow {
namespace {

constexpr std::size_t kMaxTasks = 1'000;

/// Everything the DSL 1.0.3 lets a task be; those not compiled below are refused by name.
constexpr std::array kTaskTypes = {"call",  "do",  "emit", "for",    "fork", "listen",
                                   "raise", "run", "set",  "switch", "try",  "wait"};
const std::vector<std::string> kCommonKeys = {"if", "input", "output", "export", "timeout", "then", "metadata"};

class Compiler {
 public:
  Compiler(const YamlDocument& yaml, std::string_view origin, std::span<const std::string> functions)
      : yaml_(yaml), origin_(origin), functions_(functions) {}

  Result<Flow> compile() {
    Flow flow;
    SB_CHECK(compile_head(flow));
    SB_CHECK(refuse_unknown(yaml_.value, "", {"document", "input", "output", "do"}));
    if (const auto* input = find_member(yaml_.value, "input")) {
      SB_TRY(flow.input_from, transform(*input, "/input", "from"));
    }
    if (const auto* output = find_member(yaml_.value, "output")) {
      SB_TRY(flow.output_as, transform(*output, "/output", "as"));
    }
    const auto* tasks = find_member(yaml_.value, "do");
    if (!tasks) return fault("", "a flow needs `do`: a list of named tasks");
    SB_TRY(flow.root, list(*tasks, "/do"));
    flow.document = yaml_.value;
    return flow;
  }

 private:
  std::unexpected<Error> fault(std::string_view pointer, std::string_view what,
                               Errc code = Errc::invalid_argument) const {
    const auto at = yaml_.position_of(pointer);
    return fail(code, fmt::format("{}:{}:{}: {}", origin_, at.line, at.column, what), std::string(pointer));
  }

  Result<> refuse_unknown(const json::value& object, std::string_view pointer, std::vector<std::string> known) const {
    for (const auto& [key, value] : object.get_object()) {
      if (std::ranges::find(known, key) != known.end()) continue;
      const auto near = nearest(key, known);
      return fault(pointer_append(pointer, key),
                   near ? fmt::format("`{}` is not supported here; did you mean `{}`?", std::string_view(key), *near)
                        : fmt::format("`{}` is not supported here", std::string_view(key)),
                   Errc::unsupported);
    }
    return {};
  }

  Result<> compile_head(Flow& flow) const {
    const auto* document = find_member(yaml_.value, "document");
    if (!document || !document->is_object())
      return fault("", "a flow needs `document` with dsl, namespace, name and version");
    SB_CHECK(refuse_unknown(*document, "/document",
                            {"dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"}));
    static const std::regex kName("[a-z0-9]([-a-z0-9]*[a-z0-9])?");
    static const std::regex kVersion(R"((0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][0-9A-Za-z.+-]+)?)");
    const struct {
      const char* key;
      const std::regex& shape;
      const char* want;
      std::string* into;
    } fields[] = {{"namespace", kName, "lower-case letters, digits and dashes", &flow.ns},
                  {"name", kName, "lower-case letters, digits and dashes", &flow.name},
                  {"version", kVersion, "a semantic version such as 1.0.0", &flow.version}};
    for (const auto& field : fields) {
      const std::string value(string_member(*document, field.key));
      if (value.size() > 63 || !std::regex_match(value, field.shape)) {
        return fault(pointer_append("/document", field.key), fmt::format("`{}` must be {}", field.key, field.want));
      }
      *field.into = value;
    }
    if (!string_member(*document, "dsl").starts_with("1.0.")) {
      return fault("/document/dsl", "`dsl` must be 1.0.x: this server speaks Open Workflow DSL 1.0.3",
                   Errc::unsupported);
    }
    return {};
  }

  /// `input: {from: ...}`, `output: {as: ...}`, `export: {as: ...}`: a string is an expression, anything else a
  /// template.
  Result<std::optional<Template>> transform(const json::value& value, std::string_view pointer,
                                            std::string_view key) const {
    if (!value.is_object()) return fault(pointer, fmt::format("must be an object with `{}`", key));
    SB_CHECK(refuse_unknown(value, pointer, {std::string(key)}));
    const auto* what = find_member(value, key);
    if (!what) return std::optional<Template>();
    const auto at = pointer_append(pointer, key);
    json::value definition = *what;
    if (const auto* text = what->if_string(); text && !is_expression(*text))
      definition = json::string("${" + std::string(*text) + "}");
    SB_TRY(auto compiled, template_at(definition, at));
    return std::optional<Template>(std::move(compiled));
  }

  Result<Template> template_at(const json::value& value, std::string_view pointer) const {
    auto compiled = Template::compile(value, pointer);
    if (!compiled) return fault(compiled.error().param, compiled.error().detail);
    return compiled;
  }

  Result<Expression> expression_at(const json::value& value, std::string_view pointer) const {
    if (!value.is_string()) return fault(pointer, "must be an expression, as a string");
    auto compiled = Expression::compile(value.get_string());
    if (!compiled) return fault(pointer, compiled.error().detail);
    return compiled;
  }

  Result<TaskList> list(const json::value& value, const std::string& pointer) {
    const auto* items = value.if_array();
    if (!items || items->empty()) return fault(pointer, "must be a list of tasks, each with one name");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const auto* item = (*items)[i].if_object();
      if (!item || item->size() != 1)
        return fault(pointer_append(pointer, std::to_string(i)), "a task is one name with its definition");
      names.emplace_back(item->begin()->key());
      if (std::ranges::count(names, names.back()) > 1) {
        return fault(pointer_append(pointer, std::to_string(i)),
                     fmt::format("task `{}` appears twice in one list", names.back()));
      }
    }
    TaskList compiled;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const auto at = pointer_append(pointer_append(pointer, std::to_string(i)), names[i]);
      SB_TRY(auto node, task((*items)[i].get_object().begin()->value(), at, names[i], names));
      compiled.tasks.push_back(std::move(node));
    }
    return compiled;
  }

  Result<TaskNode> task(const json::value& value, const std::string& pointer, const std::string& name,
                        std::span<const std::string> siblings) {
    if (++task_count_ > kMaxTasks)
      return fault(pointer, fmt::format("a flow has at most {} tasks", kMaxTasks), Errc::too_large);
    if (!value.is_object()) return fault(pointer, "a task is an object");
    TaskNode node{name, pointer, {}, {}, {}, {}, {}, RaiseTask{}};
    SB_CHECK(common(node, value, pointer, siblings));
    std::string_view type;
    for (const auto* candidate : kTaskTypes) {
      if (value.get_object().contains(candidate)) type = candidate;
    }
    if (type.empty()) return fault(pointer, "a task needs one of call, do, raise, set, switch");
    const auto& definition = value.at(type);
    const auto at = pointer_append(pointer, type);
    auto known = kCommonKeys;
    known.emplace_back(type);
    if (type == "call") known.emplace_back("with");
    SB_CHECK(refuse_unknown(value, pointer, known));
    if (type == "call") return call(std::move(node), value, at);
    if (type == "set") return set(std::move(node), definition, at);
    if (type == "switch") return switch_on(std::move(node), definition, at, siblings);
    if (type == "raise") return raise(std::move(node), definition, at);
    if (type == "do") {
      SB_TRY(auto nested, list(definition, at));
      node.body = DoTask{std::move(nested)};
      return node;
    }
    return fault(
        at, fmt::format("task type `{}` is not supported yet; this version runs call, do, raise, set, switch", type),
        Errc::unsupported);
  }

  Result<> common(TaskNode& node, const json::value& value, const std::string& pointer,
                  std::span<const std::string> siblings) const {
    if (find_member(value, "timeout"))
      return fault(pointer_append(pointer, "timeout"), "`timeout` is not supported yet", Errc::unsupported);
    if (const auto* condition = find_member(value, "if")) {
      SB_TRY(node.condition, expression_at(*condition, pointer_append(pointer, "if")));
    }
    if (const auto* input = find_member(value, "input")) {
      SB_TRY(node.input_from, transform(*input, pointer_append(pointer, "input"), "from"));
    }
    if (const auto* output = find_member(value, "output")) {
      SB_TRY(node.output_as, transform(*output, pointer_append(pointer, "output"), "as"));
    }
    if (const auto* exported = find_member(value, "export")) {
      SB_TRY(node.export_as, transform(*exported, pointer_append(pointer, "export"), "as"));
    }
    if (const auto* then = find_member(value, "then")) {
      SB_TRY(node.then, transition(*then, pointer_append(pointer, "then"), siblings));
    }
    return {};
  }

  Result<Transition> transition(const json::value& value, std::string_view pointer,
                                std::span<const std::string> siblings) const {
    if (!value.is_string()) return fault(pointer, "must be continue, exit, end or the name of a task in the same list");
    const std::string_view target = value.get_string();
    if (target == "continue") return Transition{Transition::Kind::next};
    if (target == "exit") return Transition{Transition::Kind::exit};
    if (target == "end") return Transition{Transition::Kind::end};
    const auto found = std::ranges::find(siblings, target);
    if (found == siblings.end()) {
      const auto near = nearest(target, siblings);
      return fault(pointer,
                   fmt::format("no task `{}` in this list{}", target, near ? "; did you mean `" + *near + "`?" : ""));
    }
    return Transition{Transition::Kind::to, static_cast<std::size_t>(found - siblings.begin())};
  }

  Result<TaskNode> call(TaskNode node, const json::value& value, const std::string& pointer) const {
    const std::string function(string_member(value, "call"));
    if (std::ranges::find(functions_, function) == functions_.end()) {
      const auto near = nearest(function, functions_);
      return fault(pointer,
                   fmt::format("unknown function `{}`{}", function, near ? "; did you mean `" + *near + "`?" : ""));
    }
    CallTask task{function, {}};
    if (const auto* with = find_member(value, "with")) {
      SB_TRY(task.with, template_at(*with, pointer_append(node.ref, "with")));
    }
    node.body = std::move(task);
    return node;
  }

  Result<TaskNode> set(TaskNode node, const json::value& definition, const std::string& pointer) const {
    SB_TRY(auto value, template_at(definition, pointer));
    node.body = SetTask{std::move(value)};
    return node;
  }

  Result<TaskNode> switch_on(TaskNode node, const json::value& definition, const std::string& pointer,
                             std::span<const std::string> siblings) const {
    const auto* items = definition.if_array();
    if (!items || items->empty()) return fault(pointer, "must be a list of named cases");
    SwitchTask compiled;
    for (std::size_t i = 0; i < items->size(); ++i) {
      const auto* item = (*items)[i].if_object();
      const auto at_item = pointer_append(pointer, std::to_string(i));
      if (!item || item->size() != 1 || !item->begin()->value().is_object())
        return fault(at_item, "a case is one name with `when` and `then`");
      const std::string name(item->begin()->key());
      const auto& body = item->begin()->value();
      const auto at = pointer_append(at_item, name);
      SB_CHECK(refuse_unknown(body, at, {"when", "then"}));
      SwitchTask::Case one{name, {}, {}};
      if (const auto* when = find_member(body, "when")) {
        SB_TRY(one.when, expression_at(*when, pointer_append(at, "when")));
      }
      const auto* then = find_member(body, "then");
      if (!then) return fault(at, "a case needs `then`");
      SB_TRY(one.then, transition(*then, pointer_append(at, "then"), siblings));
      compiled.cases.push_back(std::move(one));
    }
    node.body = std::move(compiled);
    return node;
  }

  Result<TaskNode> raise(TaskNode node, const json::value& definition, const std::string& pointer) const {
    const auto* error = find_member(definition, "error");
    if (!error || !error->is_object()) return fault(pointer, "`raise` needs `error` with type, status and title");
    SB_CHECK(
        refuse_unknown(*error, pointer_append(pointer, "error"), {"type", "status", "title", "detail", "instance"}));
    SB_TRY(auto compiled, template_at(*error, pointer_append(pointer, "error")));
    node.body = RaiseTask{std::move(compiled)};
    return node;
  }

  const YamlDocument& yaml_;
  std::string origin_;
  std::span<const std::string> functions_;
  std::size_t task_count_ = 0;
};

}  // namespace

std::string_view TaskNode::kind() const {
  struct Name {
    std::string_view operator()(const CallTask& task) const { return task.function; }
    std::string_view operator()(const SetTask&) const { return "set"; }
    std::string_view operator()(const SwitchTask&) const { return "switch"; }
    std::string_view operator()(const RaiseTask&) const { return "raise"; }
    std::string_view operator()(const DoTask&) const { return "do"; }
  };
  return std::visit(Name{}, body);
}

Result<std::shared_ptr<const Flow>> load_flow(std::string_view text, std::string_view origin,
                                              std::span<const std::string> functions) {
  auto yaml = parse_yaml(text);  // JSON is YAML
  if (!yaml) return fail(yaml.error().code, fmt::format("{}: {}", origin, yaml.error().detail));
  if (!yaml->value.is_object())
    return fail(Errc::invalid_argument, fmt::format("{}:1:1: a flow is an object with `document` and `do`", origin));
  SB_TRY(auto flow, Compiler(*yaml, origin, functions).compile());
  flow.source = std::string(text);
  flow.hash = to_hex(sha256(text));
  return std::make_shared<const Flow>(std::move(flow));
}

}  // namespace sb::flow
