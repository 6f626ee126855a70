Feature: Definitions
  What is refused when a flow is registered, and where the mistake is.

  Scenario: Two tasks in one item
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
        b:
          set: {x: 2}
    """
    When the workflow is registered
    Then the workflow should be refused with 'one name' at line 3

  Scenario: A task that is nothing
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          metadata: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'a task needs one of'

  Scenario: A task that is two things
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
          wait: {seconds: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'not set and wait'

  Scenario: A task type with a typo
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          sett: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'did you mean `set`' at line 4

  Scenario: Two tasks of one name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
      - a:
          set: {x: 2}
    """
    When the workflow is registered
    Then the workflow should be refused with 'appears twice'

  Scenario: A property that no task has
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
          retries: 3
    """
    When the workflow is registered
    Then the workflow should be refused with 'the DSL has no `retries` here' at line 5

  Scenario: No tasks
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `do`'

  Scenario: No document
    Given a workflow with definition:
    """yaml
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `document`'

  Scenario: A version that is none
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: 'one'}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'semantic version' at line 1

  Scenario: Another DSL
    Given a workflow with definition:
    """yaml
    document: {dsl: '0.8', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with '1.0.x' at line 1

  Scenario: Several mistakes are told at once
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: '${ .. + }'}
      - b:
          wait: P1Y
    """
    When the workflow is registered
    Then the workflow should be refused with 'how long a month or a year is' at line 6

  Scenario: A language that is not jq
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    evaluate: {language: js}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'written in jq'

  Scenario: Loose mode is refused by name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    evaluate: {mode: loose}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'only mode `strict`'

  Scenario: An external schema is refused by name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          input: {schema: {resource: {endpoint: 'https://x'}}}
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with '`resource` is not supported'

  Scenario: Anchors are refused
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a: &x
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'anchor'
