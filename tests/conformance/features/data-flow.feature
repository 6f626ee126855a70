Feature: The ten stages of data
  The order in which input, output and context are validated and shaped.

  Scenario: Input of the workflow is shaped before the first task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    input: {from: .order.total}
    do:
      - keep:
          set: {seen: '${ . }'}
    """
    And given the workflow input is:
    """yaml
    {order: {total: 5}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: 5
    """

  Scenario: Input from an object with expressions
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    input: {from: {a: '${ .x }', b: fixed}}
    do:
      - keep:
          set: {seen: '${ . }'}
    """
    And given the workflow input is:
    """yaml
    {x: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: {a: 1, b: fixed}
    """

  Scenario: Task input leaves the raw input of the next task alone
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          input: {from: .a}
          set: {got: '${ . }'}
      - second:
          set: {got: '${ .got }', input: '${ $input }'}
    """
    And given the workflow input is:
    """yaml
    {a: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 1
    input: {got: 1}
    """

  Scenario: Task output is shaped
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1, b: 2}
          output: {as: .a + .b}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    3
    """

  Scenario: Output can use the task's input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          input: {from: .n}
          set: {a: 1}
          output: {as: '{a: .a, n: $input}'}
    """
    And given the workflow input is:
    """yaml
    {n: 7}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    n: 7
    """

  Scenario: Output as an object
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1}
          output: {as: {wrapped: '${ .a }', fixed: true}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    wrapped: 1
    fixed: true
    """

  Scenario: Export replaces the context
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1}
          export: {as: '{one: .a}'}
      - second:
          set: {b: 2}
          export: {as: '$context + {two: .b}'}
      - third:
          set: '${ $context }'
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    one: 1
    two: 2
    """

  Scenario: Export sees the shaped output and names it $output
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1}
          output: {as: .a + 1}
          export: {as: '{dot: ., out: $output}'}
      - second:
          set: '${ $context }'
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    dot: 2
    out: 2
    """

  Scenario: The context starts as an empty object
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {c: '${ $context }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    c: {}
    """

  Scenario: Workflow output is shaped
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    output: {as: .b}
    do:
      - first:
          set: {a: 1, b: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    2
    """

  Scenario: Workflow output can read the context
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    output: {as: '$context + {last: .}'}
    do:
      - first:
          set: {a: 1}
          export: {as: '{kept: .a}'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    kept: 1
    last: {a: 1}
    """

  Scenario: Workflow input that does not fit its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    input: {schema: {document: {type: object, properties: {n: {type: integer}}, required: [n]}}}
    do:
      - first:
          set: {a: 1}
    """
    And given the workflow input is:
    """yaml
    {n: text}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: Workflow input that fits its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    input: {schema: {format: json, document: {type: object, properties: {n: {type: integer}}}}}
    do:
      - first:
          set: {a: '${ .n }'}
    """
    And given the workflow input is:
    """yaml
    {n: 3}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 3
    """

  Scenario: Task input that does not fit its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          input: {schema: {document: {required: [x]}}}
          set: {a: 1}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/first
    """

  Scenario: The schema of a task's input speaks of the raw input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          input: {schema: {document: {required: [x]}}, from: .x}
          set: {got: '${ . }'}
    """
    And given the workflow input is:
    """yaml
    {x: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 1
    """

  Scenario: Task output that does not fit its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1}
          output: {as: .a, schema: {document: {type: string}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/first
    """

  Scenario: A context that does not fit its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: 1}
          export: {as: .a, schema: {document: {type: object}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/first
    """

  Scenario: Workflow output that does not fit its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    output: {schema: {document: {required: [b]}}}
    do:
      - first:
          set: {a: 1}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: A task left out passes its input on
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          if: .go
          set: {a: 1}
      - second:
          set: {got: '${ . }'}
    """
    And given the workflow input is:
    """yaml
    {go: false}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: {go: false}
    """
    And first should not run

  Scenario: A task whose condition holds runs
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          if: ${ .go }
          set: {a: 1}
    """
    And given the workflow input is:
    """yaml
    {go: true}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: Expressions in data are never evaluated
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {got: '${ .text }'}
      - second:
          set: {got: '${ .got }'}
    """
    And given the workflow input is:
    """yaml
    {text: '${ 1 + 1 }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: '${ 1 + 1 }'
    """

  Scenario: Integers above 2^53 stay exact
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {got: '${ .n }', next: '${ .n + 1 }'}
    """
    And given the workflow input is:
    """yaml
    {n: 9007199254740993}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 9007199254740993
    next: 9007199254740994
    """

  Scenario: YAML 1.2: on, no, yes and y are text
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {a: on, b: no, c: yes, d: y, e: true}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    {a: 'on', b: 'no', c: 'yes', d: 'y', e: true}
    """

  Scenario: Regular expressions
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set:
            named: '${ .t | capture("(?<y>[0-9]+)-(?<m>[0-9]+)") }'
            all: '${ [.t | scan("[0-9]")] }'
            hidden: '${ .t | gsub("[0-9]"; "#") }'
            parts: '${ .t | split("-"; null) }'
            any: '${ .t | test("X"; "i") }'
            one: '${ .t | sub("(?<d>[0-9])"; "<\(.d)>") }'
            empty: '${ .t | gsub(""; ".") }'
            start: '${ .t | test("^3") }'
            where: '${ ["xabéa" | match("a(b)?"; "g") | .offset] }'
    """
    And given the workflow input is:
    """yaml
    t: 12-3x
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    named: {y: '12', m: '3'}
    all: ['1', '2', '3']
    hidden: '##-#x'
    parts: ['12', 3x]
    any: true
    one: <1>2-3x
    empty: .1.2.-.3.x.
    start: false
    where: [1, 4]
    """
