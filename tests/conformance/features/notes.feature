Feature: Notes on the run
  What `call: tag`, `annotate` and `score` leave, once each, and that they change nothing.

  Scenario: A tag, an annotation and a score
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - first:
          set: {n: '${ .n + 1 }'}
      - team: {call: tag, with: {name: team, value: '${ "beta-\(.n)" }'}}
      - words: {call: annotate, with: {text: '${ "saw \(.n)" }'}}
      - good: {call: score, with: {name: helpful, value: '${ .n / 4 }'}}
      - last:
          set: {n: '${ .n + 1 }'}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 3
    """
    And the run's tags should be:
    """yaml
    {team: beta-2}
    """
    And the run's annotations should be:
    """yaml
    - {text: saw 2, task: /do/2/words}
    """
    And the run's scores should be:
    """yaml
    - {name: helpful, value: 0.5, dataType: NUMERIC, source: EVAL, task: /do/3/good}
    """

  Scenario: A loop notes each round once, with effects between
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - all:
          for: {each: i, in: '${ [range(3)] }'}
          do:
            - round: {call: tag, with: {name: round, value: '${ "\($i)" }'}}
            - words: {call: annotate, with: {text: '${ "round \($i)" }'}}
            - get: {call: http, with: {method: post, endpoint: 'https://api.test/echo/SCENARIO', body: {n: '${ $i }'}}}
    """
    When the workflow is executed
    Then the workflow should complete
    And the run's tags should be:
    """yaml
    {round: '2'}
    """
    And the run's annotations should be:
    """yaml
    - {text: round 0, task: /do/0/all/do/1/words}
    - {text: round 1, task: /do/0/all/do/1/words}
    - {text: round 2, task: /do/0/all/do/1/words}
    """

  Scenario: A score whose value is of another type is caught
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - try:
          try:
            - bad: {call: score, with: {name: right, value: '${ .n }', dataType: BOOLEAN}}
          catch:
            errors: {with: {status: 400}}
            as: error
            do:
              - say:
                  set: {type: '${ $error.type | split("/") | last }'}
    """
    And given the workflow input is:
    """yaml
    {n: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    type: validation
    """
    And the run's scores should be:
    """yaml
    []
    """

  Scenario: A tag needs a value
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - team: {call: tag, with: {name: team}}
    """
    When the workflow is registered
    Then the workflow should be refused with '`call: tag` needs `value`' at line 3
