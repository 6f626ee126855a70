Feature: Extensions
  Tasks before and after tasks.

  Scenario: Tasks before and after each task of a kind
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - watch:
            extend: set
            before:
              - sooner:
                  wait: {milliseconds: 1}
            after:
              - later:
                  wait: {milliseconds: 1}
    do:
      - a:
          set: {x: 1}
      - b:
          do:
            - c:
                set: {y: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    y: 2
    """
    And sooner should run 2 times
    And later should run 2 times

  Scenario: Their outputs change nothing
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - watch:
            extend: set
            before:
              - other:
                  wait: {milliseconds: 1}
                  output: {as: '{changed: true}'}
            after:
              - more:
                  wait: {milliseconds: 1}
                  output: {as: '{changed: true}'}
    do:
      - a:
          set: {x: '${ .n }'}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """

  Scenario: exit in before gives the task's output
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - mock:
            extend: call
            before:
              - answer:
                  set: {mocked: true}
                  then: exit
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/status/500'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    mocked: true
    """

  Scenario: when decides, by the task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - mock:
            extend: call
            when: ($task.with.endpoint | startswith("https://mocked"))
            before:
              - answer:
                  set: {mocked: true}
                  then: exit
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/v2/pet/1'}
          output: {as: .name}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    rex
    """

  Scenario: Exports of extensions count
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - watch:
            extend: set
            after:
              - note:
                  wait: {milliseconds: 1}
                  export: {as: '{seen: true}'}
    do:
      - a:
          set: {x: 1}
      - b:
          raise: {error: {type: 'https://test/e', status: 400}}
          if: $context.seen == null
      - c:
          wait: {milliseconds: 1}
          output: {as: $context}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: true
    """

  Scenario: extend: all
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - watch:
            extend: all
            before:
              - sooner:
                  set: {y: 1}
    do:
      - a:
          wait: {milliseconds: 1}
      - b:
          set: {x: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And sooner should run 2 times

  Scenario: A kind that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use:
      extensions:
        - watch:
            extend: everything
            before:
              - b:
                  set: {x: 1}
    do:
      - a:
          set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with '`extend` is one of'
