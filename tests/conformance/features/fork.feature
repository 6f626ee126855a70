Feature: fork
  Branches side by side.

  Scenario: All branches, in the order of their declaration
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          fork:
            branches:
              - a:
                  set: {got: a}
              - b:
                  set: {got: b}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [{got: a}, {got: b}]
    """

  Scenario: Each branch has the task's input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          input: {from: .n}
          fork:
            branches:
              - a:
                  set: {got: '${ . }'}
              - b:
                  set: {got: '${ . + 1 }'}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [{got: 1}, {got: 2}]
    """

  Scenario: Calls of branches are under way together
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          fork:
            branches:
              - a:
                  call: http
                  with: {method: get, endpoint: 'https://api.test/slow/300'}
              - b:
                  call: http
                  with: {method: get, endpoint: 'https://api.test/slow/300'}
              - c:
                  call: http
                  with: {method: get, endpoint: 'https://api.test/slow/300'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [{slept: 300}, {slept: 300}, {slept: 300}]
    """

  Scenario: The fastest branch wins
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - race:
          fork:
            compete: true
            branches:
              - slow:
                  do:
                    - rest:
                        wait: {seconds: 20}
                    - late:
                        set: {won: slow}
              - fast:
                  set: {won: fast}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    won: fast
    """
    And the run should take less than 5000 ms
    And late should not run

  Scenario: A wait that wins over a longer wait
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - race:
          fork:
            compete: true
            branches:
              - slow:
                  wait: {seconds: 20}
              - quick:
                  do:
                    - rest:
                        wait: {milliseconds: 50}
                    - done:
                        set: {won: quick}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    won: quick
    """
    And the run should take less than 5000 ms

  Scenario: A branch that fails fails the fork
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          fork:
            branches:
              - a:
                  set: {got: a}
              - b:
                  raise: {error: {type: 'https://test/no', status: 418, title: No}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://test/no
    status: 418
    instance: /do/0/split/fork/branches/1/b
    """

  Scenario: An error of a branch can be caught around the fork
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - split:
                fork:
                  branches:
                    - a:
                        wait: {seconds: 20}
                    - b:
                        raise: {error: {type: 'https://test/no', status: 418, title: No}}
          catch:
            do:
              - saved:
                  set: {status: '${ $error.status }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 418
    """

  Scenario: An error caught within a branch stays there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          fork:
            branches:
              - a:
                  try:
                    - fail:
                        raise: {error: {type: 'https://test/no', status: 418, title: No}}
                  catch:
                    do:
                      - saved:
                          set: {got: saved}
              - b:
                  set: {got: b}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [{got: saved}, {got: b}]
    """

  Scenario: Forks within forks
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          fork:
            branches:
              - a:
                  fork:
                    branches:
                      - a1:
                          set: {n: 1}
                      - a2:
                          set: {n: 2}
              - b:
                  set: {n: 3}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [[{n: 1}, {n: 2}], {n: 3}]
    """

  Scenario: Branches see the variables around them
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[7]'}
          do:
            - split:
                fork:
                  branches:
                    - a:
                        set: {got: '${ $item }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [{got: 7}]
    """

  Scenario: A branch cannot go on to another
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - split:
          fork:
            branches:
              - a:
                  set: {x: 1}
                  then: b
              - b:
                  set: {x: 2}
    """
    When the workflow is registered
    Then the workflow should be refused with 'side by side'
