Feature: Suspend, resume, cancel
  What people do to runs.

  Scenario: A waiting run is cancelled
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {seconds: 60}
    """
    When the workflow is executed
    And the run is waiting
    When the run is cancelled
    Then the run should be cancelled

  Scenario: A waiting run is suspended and resumed
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rest:
          wait: {milliseconds: 700}
      - next:
          set: {n: '${ .n }'}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    And the run is waiting
    When the run is suspended
    Then the run should be suspended
    When the run is resumed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: A suspended run hears no event
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.go}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the run is suspended
    When the event is sent:
    """yaml
    type: SCENARIO.go
    data: 1
    """
    Then the event should reach 0 runs
    When the run is resumed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.go
    data: 2
    """
    Then the workflow should complete with output:
    """yaml
    [2]
    """

  Scenario: A run in the middle of a call is cancelled
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/slow/20000'}
    """
    When the workflow is executed
    When the run is cancelled
    Then the run should be cancelled
