// Tasks with effects: call, run, emit, listen.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/bytes.h"
#include "flow/dsl/compiler.h"
#include "flow/outbound/asyncapi.h"
#include "policy/guards/json_schema.h"

namespace sb::flow::dsl {
namespace {

constexpr std::string_view kAsyncApiProtocols[] = {
    "amqp",  "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq",  "jms", "kafka", "mercure", "mqtt",
    "mqtt5", "nats",  "pulsar",     "redis",        "sns",  "solace", "sqs", "stomp", "ws"};
constexpr std::string_view kOutputs = "content, raw, response";

bool is_output(std::string_view output) {
  return output == "content" || output == "raw" || output == "response";
}

}  // namespace

Result<TaskNode> Compiler::call(TaskNode node, const json::value& value) {
  const std::string function(string_member(value, "call"));
  const auto at = node.ref + "/call";
  const auto at_with = node.ref + "/with";
  const auto* with = find_member(value, "with");
  if (with && !with->is_object()) return fault(at_with, "`with` is an object of arguments");
  CallTask task;
  task.function = function;
  if (function == "http") {
    task.kind = CallKind::http;
    if (!with) return fault(node.ref, "`call: http` needs `with`");
    SB_CHECK(only(*with, at_with, {"method", "endpoint", "headers", "body", "query", "output", "redirect"}));
    for (const auto* key : {"method", "endpoint"}) {
      if (!find_member(*with, key)) return fault(at_with, fmt::format("`call: http` needs `{}`", key));
    }
  } else if (function == "openapi") {
    task.kind = CallKind::openapi;
    if (!with) return fault(node.ref, "`call: openapi` needs `with`");
    SB_CHECK(only(*with, at_with, {"document", "operationId", "parameters", "authentication", "output", "redirect"}));
    for (const auto* key : {"document", "operationId"}) {
      if (!find_member(*with, key)) return fault(at_with, fmt::format("`call: openapi` needs `{}`", key));
    }
  } else if (function == "grpc") {
    task.kind = CallKind::grpc;
    if (!with) return fault(node.ref, "`call: grpc` needs `with`");
    SB_CHECK(grpc_arguments(*with, at_with));
    SB_TRY(task.method, grpc_method(*with, at_with));
  } else if (function == "asyncapi") {
    task.kind = CallKind::asyncapi;
    if (!with) return fault(node.ref, "`call: asyncapi` needs `with`");
    SB_CHECK(asyncapi_arguments(*with, at_with));
  } else if (function == "mcp") {
    task.kind = CallKind::mcp;
    if (!with) return fault(node.ref, "`call: mcp` needs `with`");
    SB_CHECK(only(*with, at_with, {"protocolVersion", "method", "parameters", "timeout", "transport", "client"}));
    const auto* transport = find_member(*with, "transport");
    if (!transport || !find_member(*with, "method")) return fault(at_with, "`call: mcp` needs method and transport");
    SB_CHECK(only(*transport, at_with + "/transport", {"http", "options"}, {"stdio"}));
  } else if (function == "a2a") {
    task.kind = CallKind::a2a;
    if (!with) return fault(node.ref, "`call: a2a` needs `with`");
    SB_CHECK(only(*with, at_with, {"server", "method", "parameters"}, {"agentCard"}));
    const auto method = string_member(*with, "method");
    if (method == "message/stream" || method == "tasks/resubscribe")
      return fault(at_with + "/method", fmt::format("`{}` streams: not supported by this server", method),
                   Errc::unsupported);
    if (method.empty() || !find_member(*with, "server")) return fault(at_with, "`call: a2a` needs method and server");
  } else if (std::ranges::find(functions_, function) == functions_.end()) {
    SB_TRY(task, custom_function(function, at));
  } else if (const auto* ours = our_function(function)) {
    SB_CHECK(arguments(*ours, with, at_with));
  }
  if (with) {
    if (const auto* output = find_member(*with, "output");
        output && (task.kind == CallKind::http || task.kind == CallKind::openapi) &&
        !(output->is_string() && is_output(output->get_string())))
      return fault(at_with + "/output", fmt::format("is one of {}", kOutputs));
    const bool reaches_out = task.kind != CallKind::builtin && task.kind != CallKind::function;
    SB_TRY(auto resolved, reaches_out ? with_authentication(*with, at_with) : Result<json::value>(*with));
    if (task.kind == CallKind::grpc) resolved.get_object().erase("proto");
    SB_TRY(task.with, template_at(resolved, at_with, reaches_out ? Template::Uris::arguments : Template::Uris::none));
  }
  node.body = std::move(task);
  return node;
}

// What the document says is known when the task runs; the protocol that the flow asks for is known now.
Result<> Compiler::asyncapi_arguments(const json::value& with, const Pointer& pointer) const {
  SB_CHECK(only(with, pointer, {"document", "channel", "operation", "server", "protocol", "message", "authentication"},
                {"subscription"}));
  if (!find_member(with, "document")) return fault(pointer, "`call: asyncapi` needs `document`");
  const bool has_channel = find_member(with, "channel");
  if (has_channel == static_cast<bool>(find_member(with, "operation")))
    return fault(pointer, "`call: asyncapi` needs either `channel` (AsyncAPI 2) or `operation` (AsyncAPI 3)");
  const auto* message = find_member(with, "message");
  if (!message) return fault(pointer, "`call: asyncapi` needs `message`");
  if (message->is_object()) SB_CHECK(only(*message, pointer + "/message", {"payload", "headers"}));
  const auto* server = find_member(with, "server");
  if (server) {
    SB_CHECK(object_at(*server, pointer + "/server", "`server` is an object with `name` and `variables`"));
    SB_CHECK(only(*server, pointer + "/server", {"name", "variables"}));
    if (!find_member(*server, "name")) return fault(pointer + "/server", "a server needs `name`");
  }
  const auto* protocol = find_member(with, "protocol");
  if (!protocol) return {};
  const auto at = pointer + "/protocol";
  if (!protocol->is_string()) return fault(at, "is the name of a protocol");
  const std::string_view name = protocol->get_string();
  if (std::ranges::find(kAsyncApiProtocols, name) == std::end(kAsyncApiProtocols))
    return fault(at, fmt::format("`{}` is no protocol of the DSL", name));
  if (server || asyncapi_protocol(name)) return {};  // where a server is named, the DSL leaves `protocol` alone
  return fault(at, fmt::format("protocol `{}` is not supported by this server: http or kafka", name),
               Errc::unsupported);
}

Result<> Compiler::grpc_arguments(const json::value& with, const Pointer& pointer) const {
  SB_CHECK(only(with, pointer, {"proto", "service", "method", "arguments"}));
  for (const auto* key : {"proto", "service", "method"}) {
    if (!find_member(with, key)) return fault(pointer, fmt::format("`call: grpc` needs `{}`", key));
  }
  const auto& proto = *find_member(with, "proto");
  const auto at_proto = pointer + "/proto";
  SB_CHECK(object_at(proto, at_proto, "`proto` is an object with `endpoint`"));
  SB_CHECK(only(proto, at_proto, {"name", "endpoint"}));
  const auto* endpoint = find_member(proto, "endpoint");
  if (!endpoint || proto_url(*endpoint).empty())
    return fault(at_proto, "a proto needs `endpoint`, written out: it is read when the flow is registered");
  const auto& service = *find_member(with, "service");
  const auto at_service = pointer + "/service";
  SB_CHECK(object_at(service, at_service, "`service` is an object with `name` and `host`"));
  SB_CHECK(only(service, at_service, {"name", "host", "port", "authentication"}));
  for (const auto* key : {"name", "host"}) {
    if (!find_member(service, key)) return fault(at_service, fmt::format("a service needs `{}`", key));
  }
  const auto written_out = [&](const json::value& value, const Pointer& at) -> Result<> {
    if (!value.is_string() || is_expression(value.get_string()))
      return fault(at, "is a name, written out: the proto must have it when the flow is registered");
    return {};
  };
  SB_CHECK(written_out(*find_member(service, "name"), at_service + "/name"));
  SB_CHECK(written_out(*find_member(with, "method"), pointer + "/method"));
  const auto* port = find_member(service, "port");
  if (port && !has_expression(*port) && !(port->is_int64() && port->get_int64() > 0 && port->get_int64() < 65'536))
    return fault(at_service + "/port", "is a number from 1 to 65535");
  if (const auto* authentication = find_member(service, "authentication")) {
    const auto at = at_service + "/authentication";
    const auto* use = find_member(*authentication, "use");
    const auto* policy = authentication;
    if (use) {
      SB_TRY(const auto named, component(*use, at + "/use", "authentications"));
      policy = named.first;
    }
    if (find_member(*policy, "digest"))
      return fault(at, "`digest` is not supported for gRPC, which has no challenges", Errc::unsupported);
  }
  const auto* arguments = find_member(with, "arguments");
  if (arguments && !arguments->is_object() && !has_expression(*arguments))
    return fault(pointer + "/arguments", "is an object of the message's fields");
  return {};
}

Result<std::shared_ptr<const grpc::Method>> Compiler::grpc_method(const json::value& with, const Pointer& pointer) {
  const auto at_proto = pointer + "/proto";
  const auto url = proto_url(with.at("proto").at("endpoint"));
  if (!cataloged_) {
    note(Error(Errc::unsupported, fmt::format("`{}` is looked at when the flow is registered", url), at_proto), true);
    return nullptr;
  }
  const auto text = cataloged_->protos.find(url);
  if (text == cataloged_->protos.end()) {
    const auto why = cataloged_->failures.find(url);
    return fault(at_proto, fmt::format("`{}` could not be had: {}", url,
                                       why == cataloged_->failures.end() ? "nobody has asked for it" : why->second));
  }
  auto known = protos_.find(url);
  if (known == protos_.end()) known = protos_.emplace(url, grpc::Proto::read(text->second)).first;
  const auto& proto = known->second;
  if (!proto) return fault(at_proto, fmt::format("`{}`: {}", url, proto.error().detail), proto.error().code);
  const auto service = string_member(with.at("service"), "name");
  auto method = (*proto)->method(service, string_member(with, "method"));
  if (!method)
    return fault(pointer + (method.error().param == "service" ? "/service/name" : "/method"), method.error().detail,
                 method.error().code);
  const auto* arguments = find_member(with, "arguments");
  if (!arguments || has_expression(*arguments)) return method;
  if (const auto message = (*method)->request(to_text(*arguments)); !message)
    return fault(pointer + "/arguments", message.error().detail);
  return method;
}

// What is written out is held against the function's schema here, what an expression gives when it has given it.
Result<> Compiler::arguments(const Function& function, const json::value* with, const Pointer& pointer) const {
  const bool extended = with && !function.extended_by.empty() && find_member(*with, function.extended_by);
  std::vector<std::string> needed = function.required;
  if (extended) needed.insert(needed.end(), function.then_required.begin(), function.then_required.end());
  for (const auto& name : needed) {
    if (!with || !find_member(*with, name))
      return fault(pointer, fmt::format("`call: {}` needs `{}`", function.name, name));
  }
  if (!with) return {};
  for (const auto& [key, value] : with->get_object()) {
    const std::string_view name = key;
    const auto at = pointer_append(pointer, name);
    const auto known = std::ranges::find(function.arguments, name, &FunctionArgument::name);
    if (known == function.arguments.end()) {
      if (extended) continue;
      std::vector<std::string> names;
      for (const auto& argument : function.arguments) names.push_back(argument.name);
      const auto near = nearest(name, names);
      return fault(at, fmt::format("`call: {}` takes no `{}`{}", function.name, name,
                                   near ? fmt::format("; did you mean `{}`?", *near) : ""));
    }
    if (has_expression(value)) continue;
    if (const auto wrong = known->schema->first_fault(value)) return fault(at + wrong->pointer, wrong->expected);
  }
  return {};
}

Result<> Compiler::catalogs(const json::value& value) const {
  SB_CHECK(object_at(value, "/use/catalogs", "`catalogs` is an object of catalogs by name"));
  for (const auto& [name, catalog] : value.get_object()) {
    const auto at = pointer_append("/use/catalogs", name);
    SB_CHECK(object_at(catalog, at, "a catalog is an object with `endpoint`"));
    SB_CHECK(only(catalog, at, {"endpoint"}));
    if (const auto place = place_of(yaml_.value, {"function", "1.0.0", std::string(name)}); !place)
      return fault(at, place.error().detail);
  }
  return {};
}

Result<CallTask> Compiler::custom_function(const std::string& name, const Pointer& pointer) {
  if (name.find('@') != std::string::npos || name.find("://") != std::string::npos)
    return cataloged_function(name, pointer);
  const auto* use = find_member(yaml_.value, "use");
  const auto* all = use ? find_member(*use, "functions") : nullptr;
  const auto* definition = all ? find_member(*all, name) : nullptr;
  if (!definition) {
    std::vector<std::string> known(functions_.begin(), functions_.end());
    known.insert(known.end(), {"http", "openapi", "grpc", "asyncapi", "mcp", "a2a"});
    if (all && all->is_object())
      for (const auto& [key, ignored] : all->get_object()) known.emplace_back(key);
    const auto near = nearest(name, known);
    return fault(pointer, fmt::format("unknown function `{}`{}", name, near ? "; did you mean `" + *near + "`?" : ""));
  }
  return function_call(name, *definition, pointer_append("/use/functions", name), pointer);
}

Result<CallTask> Compiler::cataloged_function(const std::string& name, const Pointer& pointer) {
  const auto call = CatalogCall::parse(name);
  if (!call)
    return fault(pointer,
                 fmt::format("`{}` is no NAME:VERSION@CATALOG; the catalog's URL stands under use.catalogs", name),
                 Errc::unsupported);
  if (!cataloged_) {  // whoever checks a text alone knows no catalogs
    note(Error(Errc::unsupported, fmt::format("`{}` is looked at when the flow is registered", name), pointer), true);
    CallTask unknown;
    unknown.function = name;
    unknown.kind = CallKind::function;
    unknown.body = std::make_shared<TaskList>();
    return unknown;
  }
  const auto text = cataloged_->functions.find(name);
  if (text == cataloged_->functions.end()) {
    const auto why = cataloged_->failures.find(name);
    return fault(pointer, fmt::format("`{}` could not be had: {}", name,
                                      why == cataloged_->failures.end() ? "nobody has asked for it" : why->second));
  }
  const auto at = call->pointer();
  if (!catalog_documents_.contains(at)) {
    auto yaml = parse_yaml(text->second);
    if (!yaml) return fault(pointer, fmt::format("`{}`: {}", name, yaml.error().detail));
    catalog_documents_.emplace(at, CatalogDocument{*std::move(yaml), pointer});
  }
  return function_call(name, catalog_documents_.at(at).yaml.value, at, pointer);
}

// The function's task is compiled anew for each call: it sees its arguments and no locals of the caller.
Result<CallTask> Compiler::function_call(const std::string& name, const json::value& definition, const Pointer& at,
                                         const Pointer& pointer) {
  if (std::ranges::find(functions_open_, name) != functions_open_.end())
    return fault(pointer, fmt::format("function `{}` calls itself: it would have no end", name));
  functions_open_.push_back(name);
  auto outer = std::exchange(locals_, {});
  auto made = task(definition, at, name, {});
  locals_ = std::move(outer);
  functions_open_.pop_back();
  if (!made) return std::unexpected(made.error());
  CallTask call;
  call.function = name;
  call.kind = CallKind::function;
  auto body = std::make_shared<TaskList>();
  body->tasks.push_back(*std::move(made));
  call.body = std::move(body);
  return call;
}

Result<TaskNode> Compiler::run(TaskNode node, const json::value& value) {
  const auto at = node.ref + "/run";
  SB_CHECK(object_at(value, at, "`run` is an object with script, shell, workflow or container"));
  SB_CHECK(only(value, at, {"script", "shell", "workflow", "container", "await", "return"}));
  std::vector<std::string_view> kinds;
  for (const std::string_view kind : {"script", "shell", "workflow", "container"}) {
    if (find_member(value, kind)) kinds.push_back(kind);
  }
  if (kinds.size() != 1) return fault(at, "`run` needs exactly one of script, shell, workflow, container");
  const auto& what = *find_member(value, kinds[0]);
  const auto at_what = pointer_append(at, kinds[0]);
  SB_CHECK(object_at(what, at_what, "must be an object"));
  RunTask made{RunTask::Kind::script, Template(), true, RunTask::Return::output};
  if (kinds[0] == "script") {
    SB_CHECK(only(what, at_what, {"language", "code", "stdin", "arguments", "environment"}, {"source"}));
    const auto language = string_member(what, "language");
    if (language != "js" && language != "javascript" && language != "python")
      return fault(at_what + "/language", fmt::format("language `{}` is not supported: js or python", language),
                   Errc::unsupported);
    if (!find_member(what, "code")) return fault(at_what, "a script needs `code`");
  } else if (kinds[0] == "shell") {
    made.kind = RunTask::Kind::shell;
    SB_CHECK(only(what, at_what, {"command", "stdin", "arguments", "environment"}));
    if (!find_member(what, "command")) return fault(at_what, "a shell process needs `command`");
  } else if (kinds[0] == "container") {
    made.kind = RunTask::Kind::container;
    SB_CHECK(container(what, at_what));
  } else {
    made.kind = RunTask::Kind::workflow;
    SB_CHECK(only(what, at_what, {"namespace", "name", "version", "input"}));
    for (const auto* key : {"namespace", "name", "version"}) {
      if (!find_member(what, key)) return fault(at_what, fmt::format("`workflow` needs `{}`", key));
    }
  }
  if (const auto* arguments = find_member(what, "arguments"); arguments && !arguments->is_array())
    return fault(at_what + "/arguments", "is a list");
  if (const auto* await = find_member(value, "await")) {
    if (!await->is_bool()) return fault(at + "/await", "is true or false");
    made.await = await->get_bool();
  }
  const auto returned = string_member(value, "return", "stdout");
  constexpr std::pair<std::string_view, RunTask::Return> kReturns[] = {{"stdout", RunTask::Return::output},
                                                                       {"stderr", RunTask::Return::error},
                                                                       {"code", RunTask::Return::code},
                                                                       {"all", RunTask::Return::all},
                                                                       {"none", RunTask::Return::none}};
  const auto known = std::ranges::find(kReturns, returned, [](const auto& r) { return r.first; });
  if (known == std::end(kReturns)) return fault(at + "/return", "is one of stdout, stderr, code, all, none");
  made.what = known->second;
  SB_TRY(made.with, template_at(what, at_what));
  node.body = std::move(made);
  return node;
}

Result<TaskNode> Compiler::emit(TaskNode node, const json::value& value) {
  const auto at = node.ref + "/emit";
  SB_CHECK(object_at(value, at, "`emit` is {event: {with: ...}}"));
  SB_CHECK(only(value, at, {"event"}));
  const auto* event = find_member(value, "event");
  const auto* with = event ? find_member(*event, "with") : nullptr;
  if (!with || !with->is_object()) return fault(at, "`emit` needs event.with: the properties of the event");
  SB_CHECK(only(*event, at + "/event", {"with"}));
  if (!find_member(*with, "type")) return fault(at + "/event/with", "an event needs `type`");
  SB_TRY(auto compiled, template_at(*with, at + "/event/with"));
  node.body = EmitTask{std::move(compiled)};
  return node;
}

Result<TaskNode> Compiler::listen(TaskNode node, const json::value& value) {
  const auto at = node.ref + "/listen";
  const auto& definition = value.at("listen");
  SB_CHECK(object_at(definition, at, "`listen` is {to: ...}"));
  SB_CHECK(only(definition, at, {"to", "read"}));
  const auto* to = find_member(definition, "to");
  if (!to) return fault(at, "`listen` needs `to`");
  ListenTask made;
  SB_TRY(made.to, strategy(*to, at + "/to"));
  const auto read = string_member(definition, "read", "data");
  if (read != "data" && read != "envelope" && read != "raw")
    return fault(at + "/read", "is one of data, envelope, raw");
  made.read = read == "envelope" ? ReadAs::envelope : read == "raw" ? ReadAs::raw : ReadAs::data;
  if (const auto* each = find_member(value, "foreach")) {
    const auto at_each = node.ref + "/foreach";
    SB_CHECK(object_at(*each, at_each, "`foreach` is an object"));
    SB_CHECK(only(*each, at_each, {"item", "at", "do", "output", "export"}));
    SB_CHECK(with_locals(
        {std::string(string_member(*each, "item", "item")), std::string(string_member(*each, "at", "index"))},
        [&]() -> Result<> {
          if (const auto* tasks = find_member(*each, "do")) {
            SB_TRY(made.each, list(*tasks, at_each + "/do"));
          }
          if (const auto* output = find_member(*each, "output")) {
            SB_TRY(auto shape, stage(*output, at_each + "/output", "as"));
            made.each_output = std::move(shape.transform);
          }
          if (const auto* exported = find_member(*each, "export")) {
            SB_TRY(auto shape, stage(*exported, at_each + "/export", "as"));
            made.each_export = std::move(shape.transform);
          }
          return {};
        }));
    if (!made.each) made.each.emplace();
  }
  node.body = std::move(made);
  return node;
}

Result<EventStrategy> Compiler::strategy(const json::value& value, const Pointer& pointer, bool ending) {
  SB_CHECK(object_at(value, pointer, "is an object with one of one, any, all"));
  SB_CHECK(only(value, pointer, {"one", "any", "all", "until"}));
  EventStrategy made;
  const auto *one = find_member(value, "one"), *any = find_member(value, "any"), *all = find_member(value, "all");
  if ((one != nullptr) + (any != nullptr) + (all != nullptr) != 1)
    return fault(pointer, "needs exactly one of one, any, all");
  if (one) {
    SB_TRY(auto filtered, filter(*one, pointer + "/one"));
    made.filters.push_back(std::move(filtered));
  } else {
    made.kind = any ? EventStrategy::Kind::any : EventStrategy::Kind::all;
    const auto at = pointer + (any ? "/any" : "/all");
    const auto* items = (any ? any : all)->if_array();
    if (!items || (all && items->empty())) return fault(at, "is a list of event filters");
    for (std::size_t i = 0; i < items->size(); ++i) {
      SB_TRY(auto filtered, filter((*items)[i], fmt::format("{}/{}", at, i)));
      made.filters.push_back(std::move(filtered));
    }
  }
  const auto* until = find_member(value, "until");
  if (!until) return made;
  if (!any || ending) return fault(pointer + "/until", "`until` goes with `any`, and not within another `until`");
  if (until->is_bool()) {
    if (until->get_bool()) return fault(pointer + "/until", "is an expression, events, or false");
    made.forever = true;
  } else if (until->is_string()) {
    SB_TRY(made.until, expression_at(*until, pointer + "/until"));
  } else {
    SB_TRY(auto events, strategy(*until, pointer + "/until", true));
    made.until_event = std::make_shared<const EventStrategy>(std::move(events));
  }
  return made;
}

Result<EventFilter> Compiler::filter(const json::value& value, const Pointer& pointer) const {
  SB_CHECK(object_at(value, pointer, "an event filter is {with: ...}"));
  SB_CHECK(only(value, pointer, {"with", "correlate"}));
  const auto* with = find_member(value, "with");
  if (!with || !with->is_object() || with->get_object().empty())
    return fault(pointer, "an event filter needs `with`: at least one property");
  EventFilter made;
  const auto wanted = [&](const json::value& want, const Pointer& at) -> Result<std::variant<json::value, Expression>> {
    if (!want.is_string() || !is_expression(want.get_string())) return want;
    SB_TRY(auto expression, expression_at(want, at));
    return expression;
  };
  for (const auto& [key, want] : with->get_object()) {
    SB_TRY(auto compiled, wanted(want, pointer_append(pointer + "/with", key)));
    made.with.push_back({std::string(key), std::move(compiled)});
  }
  const auto* correlate = find_member(value, "correlate");
  if (!correlate) return made;
  SB_CHECK(object_at(*correlate, pointer + "/correlate", "is an object of named correlations"));
  for (const auto& [key, correlation] : correlate->get_object()) {
    const auto at = pointer_append(pointer + "/correlate", key);
    SB_CHECK(object_at(correlation, at, "is {from, expect}"));
    SB_CHECK(only(correlation, at, {"from", "expect"}));
    if (!find_member(correlation, "from")) return fault(at, "a correlation needs `from`");
    SB_TRY(auto from, member_expression(correlation, "from", at));
    EventFilter::Correlation one{std::string(key), std::move(from), {}};
    if (const auto* expect = find_member(correlation, "expect")) {
      SB_TRY(one.expect, wanted(*expect, at + "/expect"));
    }
    made.correlate.push_back(std::move(one));
  }
  return made;
}

}  // namespace sb::flow::dsl
