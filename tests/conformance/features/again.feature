Feature: Retry and fork
  Runs that go on from where they stopped or from a task before that, and runs that begin where another one stood.

  Scenario: A cancelled run goes on where it stood
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - before: {call: http, with: {method: post, endpoint: 'https://api.test/echo/SCENARIO', body: {n: 1}}}
      - hear: {listen: {to: {one: {with: {type: go.SCENARIO}}}}}
      - last: {set: {done: true}}
    """
    When the workflow is executed
    And the run is waiting
    And the run is cancelled
    And the run is retried
    And the run is waiting
    And the event is sent:
    """yaml
    {type: go.SCENARIO}
    """
    Then the workflow should complete with output:
    """yaml
    {done: true}
    """
    And '/echo/SCENARIO' should be called 1 time

  Scenario: From a task what comes behind it is done again
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - one: {call: http, with: {method: post, endpoint: 'https://api.test/echo/one-SCENARIO', body: {n: 1}}, output: {as: '${ {n: 1} }'}}
      - between: {set: {n: '${ .n + 1 }'}}
      - two: {call: http, with: {method: post, endpoint: 'https://api.test/echo/two-SCENARIO', body: {n: 2}}, output: {as: '${ $input }'}}
      - hear: {listen: {to: {one: {with: {type: go.SCENARIO}}}}, output: {as: '${ $input }'}}
    """
    When the workflow is executed
    And the run is waiting
    And the run is cancelled
    And the run is retried from '/do/1/between'
    And the run is waiting
    And the event is sent:
    """yaml
    {type: go.SCENARIO}
    """
    Then the workflow should complete with output:
    """yaml
    {n: 2}
    """
    And '/echo/one-SCENARIO' should be called 1 time
    And '/echo/two-SCENARIO' should be called 2 times

  Scenario: The branches that were well stay as they are
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - good: {call: http, with: {method: post, endpoint: 'https://api.test/echo/SCENARIO', body: {n: 1}}, output: {as: '${ {n: 1} }'}}
              - bad:
                  do:
                    - hear: {listen: {to: {one: {with: {type: go.SCENARIO}}}}, output: {as: '${ $input }'}}
                    - break: {raise: {error: {type: 'https://example.com/errors/broken', status: 500, title: Broken}}}
    """
    When the workflow is executed
    And the run is waiting
    And the run is cancelled
    And the run is retried
    And the run is waiting
    And the event is sent:
    """yaml
    {type: go.SCENARIO}
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://example.com/errors/broken'}
    """
    And '/echo/SCENARIO' should be called 1 time

  Scenario: A fork is told another input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - before: {call: http, with: {method: post, endpoint: 'https://api.test/echo/SCENARIO', body: {n: 1}}, output: {as: '${ {code: 500} }'}}
      - ask: {call: http, with: {method: get, endpoint: 'https://api.test/status/{code}'}, output: {as: '${ $input }'}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    {status: 500, instance: /do/1/ask}
    """
    When the run is forked from '/do/1/ask' with input:
    """yaml
    {code: 200}
    """
    Then the workflow should complete with output:
    """yaml
    {code: 200}
    """
    And before should not run
    And '/echo/SCENARIO' should be called 1 time

  Scenario: What completed is not retried
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - only: {set: {n: 1}}
    """
    When the workflow is executed
    Then the workflow should complete
    And a retry should be refused with status 409
