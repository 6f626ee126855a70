Feature: emit and listen
  CloudEvents out and in.

  Scenario: emit fills in what an event needs
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          emit: {event: {with: {type: com.test.done, data: {n: '${ .n }'}}}}
    """
    And given the workflow input is:
    """yaml
    {n: 2}
    """
    When the workflow is executed
    Then the workflow output should have properties 'id', 'specversion', 'source', 'type', 'time', 'data'
    And the workflow output should have a 'data.n' property with value:
    """yaml
    2
    """

  Scenario: emit keeps what is said
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          emit: {event: {with: {id: e1, source: 'https://test/SCENARIO', type: com.test.done, subject: s, time: '2026-01-01T00:00:00Z', flavour: mild}}}
          output: {as: '[.id, .subject, .time, .flavour]'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [e1, s, '2026-01-01T00:00:00Z', mild]
    """

  Scenario: emit needs a type
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          emit: {event: {with: {source: 'https://x'}}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `type`'

  Scenario: listen to one gives its data in a list
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.go}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.go
    data: {n: 1}
    """
    Then the event should reach 1 run
    Then the workflow should complete with output:
    """yaml
    [{n: 1}]
    """

  Scenario: Another type is not heard
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.go}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.other
    data: {n: 0}
    """
    Then the event should reach 0 runs
    When the event is sent:
    """yaml
    type: SCENARIO.go
    data: {n: 1}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: 1}]
    """

  Scenario: read: envelope
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.go}}}, read: envelope}
          output: {as: '.[0] | [.source, .data.n]'}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.go
    data: {n: 1}
    """
    Then the workflow should complete with output:
    """yaml
    ['https://test', 1]
    """

  Scenario: read: raw
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.go}}}, read: raw}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.go
    data: {n: 1}
    """
    Then the workflow should complete with output:
    """yaml
    ['{"n":1}']
    """

  Scenario: A filter over several attributes
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.go, source: 'https://right'}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.go
    source: https://wrong
    data: 1
    """
    When the event is sent:
    """yaml
    type: SCENARIO.go
    source: https://right
    data: 2
    """
    Then the workflow should complete with output:
    """yaml
    [2]
    """

  Scenario: A filter over the data
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.t, data: '${ .degrees > 38 }'}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.t
    data: {degrees: 37}
    """
    When the event is sent:
    """yaml
    type: SCENARIO.t
    data: {degrees: 39}
    """
    Then the workflow should complete with output:
    """yaml
    [{degrees: 39}]
    """

  Scenario: A filter that uses the input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.t, subject: '${ . == $input.who }'}}}}
    """
    And given the workflow input is:
    """yaml
    {who: ann}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.t
    subject: bob
    data: 1
    """
    When the event is sent:
    """yaml
    type: SCENARIO.t
    subject: ann
    data: 2
    """
    Then the workflow should complete with output:
    """yaml
    [2]
    """

  Scenario: any takes the first that fits
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {any: [{with: {type: SCENARIO.a}}, {with: {type: SCENARIO.b}}]}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.b
    data: 2
    """
    Then the workflow should complete with output:
    """yaml
    [2]
    """

  Scenario: all waits for each
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {all: [{with: {type: SCENARIO.a}}, {with: {type: SCENARIO.b}}]}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.b
    data: 2
    """
    When the event is sent:
    """yaml
    type: SCENARIO.b
    data: 3
    """
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 1
    """
    Then the workflow should complete with output:
    """yaml
    [2, 1]
    """

  Scenario: any until a condition holds
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {any: [{with: {type: SCENARIO.a}}], until: '( . | length ) == 3'}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 1
    """
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 2
    """
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 3
    """
    Then the workflow should complete with output:
    """yaml
    [1, 2, 3]
    """

  Scenario: any until an event, which is not part of the output
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {any: [{with: {type: SCENARIO.a}}], until: {one: {with: {type: SCENARIO.stop}}}}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 1
    """
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 2
    """
    When the event is sent:
    """yaml
    type: SCENARIO.stop
    data: 9
    """
    Then the workflow should complete with output:
    """yaml
    [1, 2]
    """

  Scenario: A correlation with an expectation
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.paid}, correlate: {order: {from: .data.order, expect: '${ .id }'}}}}}
    """
    And given the workflow input is:
    """yaml
    {id: 7}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.paid
    data: {order: 6}
    """
    When the event is sent:
    """yaml
    type: SCENARIO.paid
    data: {order: 7}
    """
    Then the workflow should complete with output:
    """yaml
    [{order: 7}]
    """

  Scenario: A correlation without: the first value counts
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {all: [{with: {type: SCENARIO.a}, correlate: {room: {from: .roomid}}}, {with: {type: SCENARIO.b}, correlate: {room: {from: .roomid}}}]}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.a
    roomid: r1
    data: 1
    """
    When the event is sent:
    """yaml
    type: SCENARIO.b
    roomid: r2
    data: 2
    """
    When the event is sent:
    """yaml
    type: SCENARIO.b
    roomid: r1
    data: 3
    """
    Then the workflow should complete with output:
    """yaml
    [1, 3]
    """

  Scenario: foreach works on each event
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {any: [{with: {type: SCENARIO.a}}], until: '( . | length ) == 2'}}
          foreach:
            item: event
            at: i
            do:
              - double:
                  set: {n: '${ $event.n * 2 }', i: '${ $i }'}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: {n: 1}
    """
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: {n: 2}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: 2, i: 0}, {n: 4, i: 1}]
    """

  Scenario: foreach shapes outputs and exports
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {any: [{with: {type: SCENARIO.a}}], until: '( . | length ) == 2'}}
          foreach: {output: {as: .n}, export: {as: '{last: .}'}}
      - told:
          set: {all: '${ . }', last: '${ $context.last }'}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: {n: 1}
    """
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: {n: 2}
    """
    Then the workflow should complete with output:
    """yaml
    all: [1, 2]
    last: 2
    """

  Scenario: A listen that is not answered in time
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {type: SCENARIO.never}}}}
          timeout: {after: {milliseconds: 300}}
    """
    When the workflow is executed
    And the run is waiting
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/hear
    """

  Scenario: The same event twice is one event
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {any: [{with: {type: SCENARIO.a}}], until: '( . | length ) == 2'}}
    """
    When the workflow is executed
    And the run is waiting
    When the event is sent:
    """yaml
    id: same-SCENARIO
    type: SCENARIO.a
    data: 1
    """
    When the event is sent:
    """yaml
    id: same-SCENARIO
    type: SCENARIO.a
    data: 1
    """
    Then the event should be a duplicate
    When the event is sent:
    """yaml
    type: SCENARIO.a
    data: 2
    """
    Then the workflow should complete with output:
    """yaml
    [1, 2]
    """

  Scenario: What one run emits another hears
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - hear:
                  listen: {to: {one: {with: {type: SCENARIO.inner}}}}
              - tell:
                  do:
                    - rest:
                        wait: {milliseconds: 200}
                    - out:
                        emit: {event: {with: {type: SCENARIO.inner, data: {n: 5}}}}
                    - quiet:
                        set: {done: true}
    """
    When the workflow is executed
    And the run is waiting
    Then the workflow should complete with output:
    """yaml
    [[{n: 5}], {done: true}]
    """

  Scenario: until goes with any
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {all: [{with: {type: a}}], until: '. | length > 1'}}
    """
    When the workflow is registered
    Then the workflow should be refused with '`until` goes with `any`'

  Scenario: A filter needs a property
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - hear:
          listen: {to: {one: {with: {}}}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'at least one property'
