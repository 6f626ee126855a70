Feature: try and catch
  Which errors are caught, and what follows.

  Scenario: Everything is caught without a filter
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by status
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {status: 503}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by another status
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {status: 404}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    instance: /do/0/safe/try/0/fail
    """

  Scenario: A filter by type, new host
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication'}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by type, old host
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication'}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by type, old host and path
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {type: 'https://serverlessworkflow.io/dsl/errors/types/communication'}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by type, new host and old path
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/dsl/errors/types/communication'}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: An error with the old host is caught by the new one
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://serverlessworkflow.io/dsl/errors/types/communication', status: 503, title: Away}}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication'}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by another type
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/validation'}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """

  Scenario: A filter by title
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {title: Away}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: A filter by instance
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {instance: /do/0/safe/try/0/fail}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: All of a filter must fit
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {status: 503, title: Other}}
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """

  Scenario: The error's variable is named error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            do:
              - saved:
                  set: {status: '${ $error.status }', title: '${ $error.title }', at: '${ $error.instance }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    title: Away
    at: /do/0/safe/try/0/fail
    """

  Scenario: The error's variable can be named
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            as: e
            do:
              - saved:
                  set: {status: '${ $e.status }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    """

  Scenario: when decides
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            when: $error.status >= 500
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: when declines
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            when: $error.status < 500
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """

  Scenario: exceptWhen declines
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            exceptWhen: $error.status == 503
            do:
              - saved:
                  set: {got: saved}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 503
    """

  Scenario: Without a handler the task passes its input on
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            errors: {with: {status: 503}}
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

  Scenario: then after the handler
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            do:
              - saved:
                  set: {got: saved}
            then: third
      - second:
          set: {got: second}
      - third:
          set: {last: '${ .got }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    last: saved
    """
    And second should not run

  Scenario: then without a handler
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            then: third
      - second:
          set: {got: second}
      - third:
          set: {got: third}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: third
    """

  Scenario: then of catch is not followed where nothing is caught
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fine:
                set: {x: 1}
          catch:
            then: end
      - next:
          set: {x: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 2
    """

  Scenario: Without an error the task's output is that of its list
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - a:
                set: {x: 1}
          catch: {}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """

  Scenario: An error in the handler goes on outward
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - fail:
                raise: {error: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: 503, title: Away}}
          catch:
            do:
              - worse:
                  raise: {error: {type: 'https://test/worse', status: 500}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://test/worse
    instance: /do/0/safe/catch/do/0/worse
    """

  Scenario: The outer try catches what the inner one does not
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          try:
            - inner:
                try:
                  - fail:
                      raise: {error: {type: 'https://test/e', status: 400}}
                catch:
                  errors: {with: {status: 500}}
          catch:
            do:
              - saved:
                  set: {at: '${ $error.instance }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/outer/try/0/inner/try/0/fail
    """

  Scenario: An expression that fails can be caught
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - a:
                set: {x: '${ .n.deep }'}
          catch:
            errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/expression'}}
            do:
              - saved:
                  set: {got: saved}
    """
    And given the workflow input is:
    """yaml
    {n: 5}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: saved
    """

  Scenario: Compensation: what was done is undone
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - book:
          try:
            - hotel:
                call: http
                with: {method: post, endpoint: 'https://api.test/echo/SCENARIO/book', body: {}}
            - flight:
                call: http
                with: {method: post, endpoint: 'https://api.test/status/500', body: {}}
          catch:
            do:
              - undo:
                  call: http
                  with: {method: post, endpoint: 'https://api.test/echo/SCENARIO/undo', body: {}}
                  output: {as: '{undone: true}'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    undone: true
    """
    And '/echo/SCENARIO/book' should be called 1 time
    And '/echo/SCENARIO/undo' should be called 1 time

  Scenario: try needs catch
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - safe:
          try:
            - a:
                set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `catch`' at line 4
