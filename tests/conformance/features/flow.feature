Feature: Flow directives
  continue, exit, end and names.

  Scenario: Tasks run in order
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {n: '${ (.n // 0) + 1 }'}
      - b:
          set: {n: '${ .n + 1 }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 2
    """
    And a should run first
    And b should run after a

  Scenario: then names the next task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: [a]}
          then: c
      - b:
          set: {x: '${ .x + ["b"] }'}
          then: end
      - c:
          set: {x: '${ .x + ["c"] }'}
          then: b
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: [a, c, b]
    """

  Scenario: then: continue goes on
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
          then: continue
      - b:
          set: {y: '${ .x }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    y: 1
    """

  Scenario: then: end ends the workflow from within
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          do:
            - a:
                set: {x: 1}
                then: end
            - b:
                set: {x: 2}
      - c:
          set: {x: 3}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And c should not run

  Scenario: then: exit leaves the list
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          do:
            - a:
                set: {x: 1}
                then: exit
            - b:
                set: {x: 2}
      - c:
          set: {y: '${ .x }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    y: 1
    """
    And b should not run

  Scenario: then: exit in the main list ends the workflow
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
          then: exit
      - b:
          set: {x: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """

  Scenario: A task that is left out does not redirect
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          if: 'false'
          set: {x: 1}
          then: end
      - b:
          set: {x: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 2
    """

  Scenario: A loop by then
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - count:
          set: {n: '${ (.n // 0) + 1 }'}
      - again:
          switch:
            - more: {when: .n < 5, then: count}
            - done: {then: end}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 5
    """

  Scenario: A loop without an effect is stopped
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {n: 1}
          then: b
      - b:
          set: {n: 2}
          then: a
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    """

  Scenario: then names a task of another list
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
          then: inner
      - b:
          do:
            - inner:
                set: {x: 2}
    """
    When the workflow is registered
    Then the workflow should be refused with 'no task `inner` in this list' at line 5

  Scenario: A misspelt target is told the nearest name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
          then: secnd
      - second:
          set: {x: 2}
    """
    When the workflow is registered
    Then the workflow should be refused with 'did you mean `second`'
