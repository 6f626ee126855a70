Feature: Runtime expression arguments
  What $workflow, $task, $runtime, $context, $input, $output and $secrets stand for.

  Scenario: $workflow describes the run
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    input: {from: .a}
    do:
      - first:
          set: {id: '${ $workflow.id | type }', name: '${ $workflow.definition.document.name }', raw: '${ $workflow.input }', at: '${ $workflow.startedAt.epoch.seconds > 1600000000 }', iso: '${ $workflow.startedAt.iso8601 | endswith("Z") }'}
    """
    And given the workflow input is:
    """yaml
    {a: {b: 1}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    id: string
    name: flow
    raw: {a: {b: 1}}
    at: true
    iso: true
    """

  Scenario: $task describes the task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          input: {from: .a}
          set: {name: '${ $task.name }', ref: '${ $task.reference }', raw: '${ $task.input }', kind: '${ $task.definition | has("set") }', at: '${ $task.startedAt.epoch.milliseconds > 1600000000000 }'}
    """
    And given the workflow input is:
    """yaml
    {a: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    name: first
    ref: /do/0/first
    raw: {a: 1}
    kind: true
    at: true
    """

  Scenario: $task.output is there for export
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1}
          export: {as: '$task.output'}
      - second:
          set: '${ $context }'
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: $runtime names this server
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {name: '${ $runtime.name }', version: '${ $runtime.version | type }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    name: signalbox
    version: string
    """

  Scenario: $secrets gives what the flow declares
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {secrets: [token, login]}
    do:
      - first:
          set: {right: '${ $secrets.token == "s3cret" }', user: '${ $secrets.login.username }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    right: true
    user: ann
    """

  Scenario: A secret that the flow does not declare
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {got: '${ $secrets.token }'}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authorization
    status: 403
    instance: /do/0/first
    """

  Scenario: A secret that the server does not have
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {secrets: [nothing]}
    do:
      - first:
          set: {got: '${ $secrets.nothing }'}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authorization
    status: 403
    """

  Scenario: $authorization after a call with credentials
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://httpbin.org/bearer/abc', authentication: {bearer: {token: abc}}}}
          output: {as: '{scheme: $authorization.scheme, right: ($authorization.parameter == "abc")}'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    scheme: Bearer
    right: true
    """

  Scenario: An expression that fails is an expression error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: '${ .a.b }'}
    """
    And given the workflow input is:
    """yaml
    {a: 5}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/first
    """

  Scenario: A condition must give a boolean
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          if: .a
          set: {a: 1}
    """
    And given the workflow input is:
    """yaml
    {a: 5}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    """

  Scenario: A variable that nobody sets
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: '${ $nothing }'}
    """
    When the workflow is registered
    Then the workflow should be refused with 'nothing' at line 4

  Scenario: An expression that is no jq
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: '${ .a + }'}
    """
    When the workflow is registered
    Then the workflow should be refused with 'column' at line 4
