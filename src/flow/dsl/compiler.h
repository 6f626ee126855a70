/// From a flow document to its compiled tasks. One Compiler a document; every finding has its place in the text.
#pragma once

#include <functional>
#include <initializer_list>

#include "base/yaml.h"
#include "flow/definition.h"
#include "flow/dsl/catalogs.h"
#include "flow/dsl/functions.h"
#include "flow/grpc/proto.h"

namespace sb::flow::dsl {

/// Whether something in it is known at run time only.
bool has_expression(const json::value& value);

class Compiler {
 public:
  /// `cataloged`: what was had of catalogs; null: nobody has asked, so it is not known what their functions are.
  /// `containers`: what the server lets containers do; null: it is not known.
  Compiler(const YamlDocument& yaml, std::span<const std::string> functions, const Cataloged* cataloged,
           const ContainerOptions* containers)
      : yaml_(yaml), functions_(functions), cataloged_(cataloged), containers_(containers) {}

  /// The flow is usable only if no finding is an error.
  Flow compile();
  std::vector<FlowFinding> take_findings();

 private:
  using Names = std::span<const std::string>;
  using Pointer = std::string;

  // compiler.cc: findings, document, lists
  std::unexpected<Error> fault(std::string_view pointer, std::string_view what,
                               Errc code = Errc::invalid_argument) const;
  void note(const Error& error, bool warning = false);
  template <class T>
  void keep(T& into, Result<T> made) {
    if (made)
      into = *std::move(made);
    else
      note(made.error());
  }
  void check(Result<> result) {
    if (!result) note(result.error());
  }
  Result<> only(const json::value& object, std::string_view pointer, std::initializer_list<std::string_view> known,
                std::initializer_list<std::string_view> unsupported = {}) const;
  Result<const json::object*> object_at(const json::value& value, std::string_view pointer,
                                        std::string_view what) const;
  Result<> head(Flow& flow) const;
  Result<> read_durability(const json::value& said, Flow& flow) const;
  void use(Flow& flow, const json::value& value);
  Result<Schedule> schedule(const json::value& value, const Pointer& pointer);
  Result<TaskList> list(const json::value& value, const Pointer& pointer);
  void warn_unreachable(const TaskList& list, const Pointer& pointer);
  Result<TaskNode> task(const json::value& value, const Pointer& pointer, const std::string& name, Names siblings);
  void common(TaskNode& node, const json::value& value, Names siblings);
  Result<TaskNode> body(TaskNode node, const json::value& value, std::string_view type, Names siblings);
  void extend(TaskNode& node, std::string_view type);

  // values.cc: expressions, templates, durations, schemas, references
  Result<Template> template_at(const json::value& value, std::string_view pointer,
                               Template::Uris uris = Template::Uris::none) const;
  Result<Expression> expression_at(const json::value& value, std::string_view pointer) const;
  Result<Expression> member_expression(const json::value& object, std::string_view key, std::string_view pointer) const;
  Result<Template> shaping(const json::value& value, std::string_view pointer) const;
  Result<Duration> duration(const json::value& value, std::string_view pointer) const;
  Result<std::shared_ptr<const policy::JsonSchema>> schema(const json::value& value, std::string_view pointer) const;
  struct Stage {
    std::optional<Template> transform;
    std::shared_ptr<const policy::JsonSchema> schema;
  };
  Result<Stage> stage(const json::value& value, std::string_view pointer, std::string_view key) const;
  Result<Duration> timeout(const json::value& value, std::string_view pointer) const;
  Result<Transition> transition(const json::value& value, std::string_view pointer, Names siblings) const;
  /// A value that may be the name of a component under `use`. Errors: as fault.
  Result<std::pair<const json::value*, Pointer>> component(const json::value& value, std::string_view pointer,
                                                           std::string_view kind) const;
  Result<json::value> with_authentication(json::value value, std::string_view pointer) const;
  Result<> authentication(const json::value& value, std::string_view pointer) const;

  // control.cc
  Result<TaskNode> for_task(TaskNode node, const json::value& value);
  Result<TaskNode> fork(TaskNode node, const json::value& value);
  Result<TaskNode> switch_task(TaskNode node, const json::value& value, Names siblings);
  Result<TaskNode> try_task(TaskNode node, const json::value& value, Names siblings);
  Result<> catch_clause(TryTask& made, const json::value& value, const Pointer& pointer, Names siblings);
  Result<RetryPolicy> retry(const json::value& value, const Pointer& pointer) const;
  Result<> backoff(RetryPolicy& policy, const json::value& value, const Pointer& pointer) const;
  Result<TaskNode> raise(TaskNode node, const json::value& value);

  // effects.cc
  Result<TaskNode> call(TaskNode node, const json::value& value);
  Result<TaskNode> run(TaskNode node, const json::value& value);
  Result<> container(const json::value& what, const Pointer& pointer);  // containers.cc
  Result<TaskNode> emit(TaskNode node, const json::value& value);
  Result<TaskNode> listen(TaskNode node, const json::value& value);
  Result<EventStrategy> strategy(const json::value& value, const Pointer& pointer, bool ending = false);
  Result<EventFilter> filter(const json::value& value, const Pointer& pointer) const;
  Result<> grpc_arguments(const json::value& with, const Pointer& pointer) const;
  /// Errors: as fault.
  Result<std::shared_ptr<const grpc::Method>> grpc_method(const json::value& with, const Pointer& pointer);
  Result<CallTask> custom_function(const std::string& name, const Pointer& pointer);
  Result<CallTask> cataloged_function(const std::string& name, const Pointer& pointer);
  /// A call of the function that `definition`, at `at` in the flow's document, is.
  Result<CallTask> function_call(const std::string& name, const json::value& definition, const Pointer& at,
                                 const Pointer& pointer);
  Result<> catalogs(const json::value& value) const;
  Result<> asyncapi_arguments(const json::value& with, const Pointer& pointer) const;
  Result<> arguments(const Function& function, const json::value* with, const Pointer& pointer) const;

  /// Names in scope while a nested list is compiled.
  template <class Make>
  auto with_locals(std::vector<std::string> names, Make make) {
    const auto outer = locals_.size();
    locals_.insert(locals_.end(), names.begin(), names.end());
    auto made = make();
    locals_.resize(outer);
    return made;
  }

  const YamlDocument& yaml_;
  Names functions_;
  std::vector<FlowFinding> findings_;
  std::vector<std::string> locals_;
  const Cataloged* cataloged_;
  const ContainerOptions* containers_;
  struct CatalogDocument {
    YamlDocument yaml;
    std::string called;  ///< from where first
  };
  std::map<std::string, CatalogDocument> catalog_documents_;                  ///< by pointer in the flow's document
  std::map<std::string, Result<std::shared_ptr<const grpc::Proto>>> protos_;  ///< that were read, by URL
  std::vector<std::string> functions_open_;  ///< being compiled: a function that calls itself has no end
  struct ExtensionUse {
    std::string extend;
    std::shared_ptr<const Extension> extension;
  };
  std::vector<ExtensionUse> extensions_;
  std::size_t task_count_ = 0;
};

}  // namespace sb::flow::dsl
