Feature: schedule
  Flows that start by themselves.

  Scenario: every: again and again
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {every: {milliseconds: 100}}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then there should be at least 3 runs of the workflow

  Scenario: after: again when a run has ended
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {after: {milliseconds: 50}}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is executed
    Then the workflow should complete
    And there should be at least 3 runs of the workflow

  Scenario: on: an event starts a run
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {on: {one: {with: {type: SCENARIO.start}}}}
    do:
      - a:
          set: {n: '${ $workflow.input[0].data.n }'}
    """
    When the workflow is registered
    When the event is sent:
    """yaml
    type: SCENARIO.start
    data: {n: 3}
    """
    Then the event should reach 1 run
    And there should be at least 1 run of the workflow
    And the output of its newest run should be:
    """yaml
    n: 3
    """

  Scenario: on any: whichever event
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {on: {any: [{with: {type: SCENARIO.a}}, {with: {type: SCENARIO.b}}]}, read: data}
    do:
      - a:
          set: {got: '${ . }'}
    """
    When the workflow is registered
    When the event is sent:
    """yaml
    type: SCENARIO.b
    data: 2
    """
    Then there should be at least 1 run of the workflow
    And the output of its newest run should be:
    """yaml
    got: [2]
    """

  Scenario: on all: when each event has come
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {on: {all: [{with: {type: SCENARIO.a}}, {with: {type: SCENARIO.b}}]}, read: data}
    do:
      - a:
          set: {got: '${ . }'}
    """
    When the workflow is registered
    When the event is sent:
    """yaml
    type: SCENARIO.b
    data: 2
    """
    Then the event should reach 0 runs
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 1
    """
    Then there should be at least 1 run of the workflow
    And the output of its newest run should be:
    """yaml
    got: [2, 1]
    """

  Scenario: cron: accepted
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {cron: '0 6 * * mon-fri'}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be accepted

  Scenario: cron: a field too few
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {cron: '0 6 * *'}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'five fields' at line 2

  Scenario: cron: an hour that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {cron: '0 25 * * *'}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with '`25` is no hour'

  Scenario: A schedule without a time
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    schedule: {}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'every, cron, after, on'
