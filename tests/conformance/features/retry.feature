Feature: Retries
  Delay, back-off, jitter and limits.

  Scenario: Again until it works
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/2/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 5}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 3
    """
    And ask should run 3 times

  Scenario: The number of retries is limited
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/9/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 2}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    instance: /do/0/safe/try/0/ask
    """
    And ask should run 3 times

  Scenario: Another error is not retried
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/9/500'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 2}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 500
    """
    And ask should run 1 time

  Scenario: After the last retry the handler runs
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/9/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 1}}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: Constant back-off
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/3/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 40}, backoff: {constant: {}}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 4
    """
    And the run should take at least 120 ms

  Scenario: Linear back-off
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/3/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 30}, backoff: {linear: {}}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 4
    """
    And the run should take at least 180 ms

  Scenario: Linear back-off with an increment
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/2/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 10}, backoff: {linear: {increment: {milliseconds: 100}}}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 3
    """
    And the run should take at least 120 ms

  Scenario: Exponential back-off
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/3/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 30}, backoff: {exponential: {}}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 4
    """
    And the run should take at least 210 ms

  Scenario: Exponential back-off has a ceiling
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/3/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 10}, backoff: {exponential: {factor: 1000, maxDelay: {milliseconds: 20}}}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 4
    """
    And the run should take less than 5000 ms

  Scenario: Jitter adds to the delay
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/1/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 1}, jitter: {from: {milliseconds: 100}, to: {milliseconds: 120}}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 2
    """
    And the run should take at least 100 ms

  Scenario: The time of all attempts is limited
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/99/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {milliseconds: 100}, limit: {duration: {milliseconds: 250}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """
    And the run should take less than 5000 ms

  Scenario: The time of each attempt is limited
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/slow/20000'}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/timeout'}}
            retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 1, duration: {milliseconds: 100}}}}
            do:
              - saved:
                  set: {status: '${ $error.status }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 408
    """
    And the run should take less than 5000 ms

  Scenario: retry.when decides
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/1/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {when: $error.status == 503, delay: {milliseconds: 1}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 2
    """

  Scenario: retry.exceptWhen declines
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/1/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {exceptWhen: $error.status == 503, delay: {milliseconds: 1}, limit: {attempt: {count: 5}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """

  Scenario: A reusable policy
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {retries: {patient: {delay: PT0.005S, limit: {attempt: {count: 3}}}}}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/1/503'}
          catch:
            errors: {with: {status: 503}}
            retry: patient
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    attempt: 2
    """

  Scenario: A policy that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/1/503'}
          catch:
            errors: {with: {status: 503}}
            retry: nothing
    """
    When the workflow is registered
    Then the workflow should be refused with 'no `nothing` under use.retries'

  Scenario: A back-off that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - ask:
                call: http
                with: {method: get, endpoint: 'https://api.test/flaky/SCENARIO/1/503'}
          catch:
            errors: {with: {status: 503}}
            retry: {delay: {seconds: 1}, backoff: {quadratic: {}}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'quadratic'

  Scenario: The attempt is told to whoever asks
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://test/e', status: 503}}
          catch:
            retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 2}}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """
    And fail should run 3 times
