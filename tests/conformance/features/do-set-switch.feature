Feature: do, set and switch
  Tasks without effects.

  Scenario: Nested lists
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          do:
            - a:
                set: {x: 1}
            - b:
                do:
                  - c:
                      set: {x: '${ .x + 1 }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 2
    """

  Scenario: A list has one input and one output
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          input: {from: .v}
          do:
            - a:
                set: {got: '${ . }'}
          output: {as: .got}
    """
    And given the workflow input is:
    """yaml
    {v: 4}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    4
    """

  Scenario: set with nested values
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {o: {list: [1, '${ .n }', {deep: '${ .n + 1 }'}]}}
    """
    And given the workflow input is:
    """yaml
    {n: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    o: {list: [1, 2, {deep: 3}]}
    """

  Scenario: set with an expression
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: '${ {total: (.prices | add)} }'
    """
    And given the workflow input is:
    """yaml
    {prices: [1, 2, 3]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    total: 6
    """

  Scenario: set replaces what was there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {x: 1}
      - b:
          set: {y: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    y: 2
    """

  Scenario: set needs a member
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - a:
          set: {}
    """
    When the workflow is registered
    Then the workflow should be refused with 'at least one member' at line 4

  Scenario: switch takes the first case that holds
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - pick:
          switch:
            - small: {when: .n < 10, then: low}
            - any: {when: .n < 100, then: high}
      - high:
          set: {got: high}
          then: end
      - low:
          set: {got: low}
    """
    And given the workflow input is:
    """yaml
    {n: 5}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: low
    """

  Scenario: switch with a default
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - pick:
          switch:
            - small: {when: .n < 10, then: low}
            - rest: {then: high}
      - low:
          set: {got: low}
          then: end
      - high:
          set: {got: high}
    """
    And given the workflow input is:
    """yaml
    {n: 50}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: high
    """
    And low should not run

  Scenario: switch without a case that holds goes on
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - pick:
          switch:
            - small: {when: .n < 10, then: end}
      - next:
          set: {got: next}
    """
    And given the workflow input is:
    """yaml
    {n: 50}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: next
    """

  Scenario: switch can end
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - pick:
          switch:
            - stop: {when: .n == 1, then: end}
      - next:
          set: {got: next}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: switch can exit its list
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          do:
            - pick:
                switch:
                  - out: {then: exit}
            - never:
                set: {x: 1}
      - next:
          set: {got: '${ .n }'}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 1
    """

  Scenario: A case needs then
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - pick:
          switch:
            - one: {when: .a}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `then`' at line 5

  Scenario: A case goes to a task that is there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - pick:
          switch:
            - one: {when: .a, then: nowhere}
    """
    When the workflow is registered
    Then the workflow should be refused with 'no task `nowhere`'
