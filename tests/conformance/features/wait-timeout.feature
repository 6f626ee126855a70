Feature: wait and time limits
  Durations, waits, and what happens when time is up.

  Scenario: A wait of milliseconds passes its input on
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {milliseconds: 60}
      - next:
          set: {n: '${ .n }'}
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
    And the run should take at least 60 ms

  Scenario: An ISO 8601 duration
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: PT0.05S
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
    And the run should take at least 50 ms

  Scenario: A duration from an expression
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {milliseconds: '${ .ms }'}
    """
    And given the workflow input is:
    """yaml
    {ms: 30}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ms: 30
    """

  Scenario: A duration that is an expression
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: '${ .time }'
    """
    And given the workflow input is:
    """yaml
    {time: PT0.02S}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    time: PT0.02S
    """

  Scenario: A month has no fixed length
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: P1M
    """
    When the workflow is registered
    Then the workflow should be refused with 'month' at line 4

  Scenario: A unit that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {fortnights: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'fortnights' at line 4

  Scenario: A negative duration is refused when it is known
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {seconds: '${ .n }'}
    """
    And given the workflow input is:
    """yaml
    {n: -1}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    """

  Scenario: A task's time limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {seconds: 20}
          timeout: {after: {milliseconds: 50}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/rest
    """
    And the run should take less than 5000 ms

  Scenario: A call's time limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/slow/20000'}
          timeout: {after: PT0.1S}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/ask
    """
    And the run should take less than 5000 ms

  Scenario: A list's time limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          timeout: {after: {milliseconds: 80}}
          do:
            - a:
                wait: {milliseconds: 20}
            - b:
                wait: {seconds: 20}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    instance: /do/0/outer
    """

  Scenario: The workflow's time limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    timeout: {after: {milliseconds: 60}}
    do:
      - rest:
          wait: {seconds: 20}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    """

  Scenario: A time limit that is not reached
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {milliseconds: 10}
          timeout: {after: {seconds: 20}}
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

  Scenario: A reusable time limit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {timeouts: {short: {after: {milliseconds: 40}}}}
    do:
      - rest:
          wait: {seconds: 20}
          timeout: short
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    """

  Scenario: A time limit that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {seconds: 1}
          timeout: nothing
    """
    When the workflow is registered
    Then the workflow should be refused with 'no `nothing` under use.timeouts'

  Scenario: A time limit can be caught
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - rest:
                wait: {seconds: 20}
                timeout: {after: {milliseconds: 30}}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/timeout', status: 408}}
            do:
              - saved:
                  set: {at: '${ $error.instance }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/safe/try/0/rest
    """
