Feature: lifecycle events
  What becomes of runs and tasks is told once each, and in order.

  Scenario: a run and its tasks, from start to end
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: watch, name: lifecycle, version: '1.0.0'}
    schedule: {on: {one: {with: {type: '${ startswith("io.serverlessworkflow.") }', source: /flows/observed-SCENARIO/flow}}}}
    do:
      - keep:
          set:
            id: '${ .[0].id }'
            subject: '${ .[0].subject }'
            what: '${ .[0] | [(.type | ltrimstr("io.serverlessworkflow.") | rtrimstr(".v1")), .data.task // empty] | join(" ") }'
    """
    And given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: observed, name: flow, version: '1.0.0'}
    do:
      - outer:
          do:
            - one: {set: {x: 1}}
            - left_out: {if: .y == 2, set: {x: 2}}
    """
    When the workflow is executed
    Then the workflow should complete
    And what is told of the run should be:
    """yaml
    - workflow.started
    - task.created /do/0/outer
    - task.started /do/0/outer
    - task.created /do/0/outer/do/0/one
    - task.started /do/0/outer/do/0/one
    - task.completed /do/0/outer/do/0/one
    - task.completed /do/0/outer
    - workflow.completed
    """

  Scenario: what fails, is tried again, and fails
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: watch, name: lifecycle, version: '1.0.0'}
    schedule: {on: {one: {with: {type: '${ startswith("io.serverlessworkflow.") }', source: /flows/observed-SCENARIO/flow}}}}
    do:
      - keep:
          set:
            id: '${ .[0].id }'
            subject: '${ .[0].subject }'
            what: '${ .[0] | [(.type | ltrimstr("io.serverlessworkflow.") | rtrimstr(".v1")), .data.task // empty] | join(" ") }'
    """
    And given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: observed, name: flow, version: '1.0.0'}
    do:
      - tries:
          try: [{no: {raise: {error: {type: 'https://test/no', status: 409}}}}]
          catch: {retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 1}}}}
    """
    When the workflow is executed
    Then the workflow should fault
    And what is told of the run should be:
    """yaml
    - workflow.started
    - task.created /do/0/tries
    - task.started /do/0/tries
    - task.created /do/0/tries/try/0/no
    - task.started /do/0/tries/try/0/no
    - task.faulted /do/0/tries/try/0/no
    - task.retried /do/0/tries
    - task.created /do/0/tries/try/0/no
    - task.started /do/0/tries/try/0/no
    - task.faulted /do/0/tries/try/0/no
    - task.faulted /do/0/tries
    - workflow.faulted
    """

  Scenario: a race has one that completes
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: watch, name: lifecycle, version: '1.0.0'}
    schedule: {on: {one: {with: {type: '${ startswith("io.serverlessworkflow.") }', source: /flows/observed-SCENARIO/flow}}}}
    do:
      - keep:
          set:
            id: '${ .[0].id }'
            subject: '${ .[0].subject }'
            what: '${ .[0] | [(.type | ltrimstr("io.serverlessworkflow.") | rtrimstr(".v1")), .data.task // empty] | join(" ") }'
    """
    And given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: observed, name: flow, version: '1.0.0'}
    do:
      - race:
          fork: {compete: true, branches: [{slow: {wait: {hours: 1}}}, {quick: {emit: {event: {with: {type: SCENARIO.done}}}}}]}
    """
    When the workflow is executed
    Then the workflow should complete
    And what is told of the run should be:
    """yaml
    - workflow.started
    - task.created /do/0/race
    - task.started /do/0/race
    - task.created /do/0/race/fork/branches/0/slow
    - task.started /do/0/race/fork/branches/0/slow
    - task.created /do/0/race/fork/branches/1/quick
    - task.started /do/0/race/fork/branches/1/quick
    - task.completed /do/0/race/fork/branches/1/quick
    - task.cancelled /do/0/race/fork/branches/0/slow
    - task.completed /do/0/race
    - workflow.completed
    """

  Scenario: correlations, suspended and resumed
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: watch, name: lifecycle, version: '1.0.0'}
    schedule: {on: {one: {with: {type: '${ startswith("io.serverlessworkflow.") }', source: /flows/observed-SCENARIO/flow}}}}
    do:
      - keep:
          set:
            id: '${ .[0].id }'
            subject: '${ .[0].subject }'
            what: '${ .[0] | [(.type | ltrimstr("io.serverlessworkflow.") | rtrimstr(".v1")), .data.task // empty] | join(" ") }'
    """
    And given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: observed, name: flow, version: '1.0.0'}
    do:
      - hear: {listen: {to: {one: {with: {type: SCENARIO.go}}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the run is suspended
    And the run is resumed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.go
    """
    Then the workflow should complete
    And what is told of the run should be:
    """yaml
    - workflow.started
    - task.created /do/0/hear
    - task.started /do/0/hear
    - workflow.correlation-started
    - workflow.suspended
    - task.suspended /do/0/hear
    - workflow.resumed
    - task.resumed /do/0/hear
    - workflow.correlation-completed
    - task.completed /do/0/hear
    - workflow.completed
    """

  Scenario: a run that is cancelled
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: watch, name: lifecycle, version: '1.0.0'}
    schedule: {on: {one: {with: {type: '${ startswith("io.serverlessworkflow.") }', source: /flows/observed-SCENARIO/flow}}}}
    do:
      - keep:
          set:
            id: '${ .[0].id }'
            subject: '${ .[0].subject }'
            what: '${ .[0] | [(.type | ltrimstr("io.serverlessworkflow.") | rtrimstr(".v1")), .data.task // empty] | join(" ") }'
    """
    And given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: observed, name: flow, version: '1.0.0'}
    do:
      - sleep: {wait: {hours: 1}}
    """
    When the workflow is executed
    And the run is waiting
    When the run is cancelled
    Then the run should be cancelled
    And what is told of the run should be:
    """yaml
    - workflow.started
    - task.created /do/0/sleep
    - task.started /do/0/sleep
    - task.cancelled /do/0/sleep
    - workflow.cancelled
    """
