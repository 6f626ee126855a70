Feature: raise
  Errors on purpose.

  Scenario: An inline error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - fail:
          raise: {error: {type: 'https://test/compliance', status: 400, title: Compliance, detail: No stamp}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://test/compliance
    status: 400
    title: Compliance
    detail: No stamp
    instance: /do/0/fail
    """

  Scenario: A reusable error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {errors: {notFound: {type: 'https://test/not-found', status: 404, title: Gone}}}
    do:
      - fail:
          raise: {error: notFound}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://test/not-found
    status: 404
    title: Gone
    """

  Scenario: Expressions in an error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - fail:
          raise: {error: {type: 'https://test/e', status: '${ .code }', title: '${ "Order \(.id)" }'}}
    """
    And given the workflow input is:
    """yaml
    {code: 409, id: 7}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 409
    title: Order 7
    """

  Scenario: An error may name its own instance
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - fail:
          raise: {error: {type: 'https://test/e', status: 400, instance: /somewhere}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /somewhere
    """

  Scenario: The instance is a pointer through lists
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - outer:
          do:
            - a:
                set: {x: 1}
            - fail:
                raise: {error: {type: 'https://test/e', status: 400}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /do/0/outer/do/1/fail
    """

  Scenario: An error that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - fail:
          raise: {error: nothing}
    """
    When the workflow is registered
    Then the workflow should be refused with 'no `nothing` under use.errors' at line 4

  Scenario: An error needs a status
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - fail:
          raise: {error: {type: 'https://test/e'}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `status`'
