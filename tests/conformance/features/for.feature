Feature: for
  Loops over lists.

  Scenario: Item and index have default names
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: .list}
          do:
            - a:
                set: {seen: '${ (.seen // []) + [[$index, $item]] }'}
    """
    And given the workflow input is:
    """yaml
    {list: [a, b]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: [[0, a], [1, b]]
    """

  Scenario: Item and index can be named
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {each: pet, in: '${ .pets }', at: i}
          do:
            - a:
                set: {seen: '${ (.seen // []) + ["\($i):\($pet.name)"] }'}
    """
    And given the workflow input is:
    """yaml
    {pets: [{name: rex}, {name: max}]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: ['0:rex', '1:max']
    """

  Scenario: An inline list
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: [{n: 1}, {n: '${ .two }'}]}
          do:
            - a:
                set: {sum: '${ (.sum // 0) + $item.n }', two: 2}
    """
    And given the workflow input is:
    """yaml
    {two: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 3
    two: 2
    """

  Scenario: Each round gets the output of the one before
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[1,2,3]'}
          do:
            - a:
                set: {n: '${ .n * 2 }'}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 8
    """

  Scenario: while stops the loop
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[1,2,3,4]'}
          while: .n < 3
          do:
            - a:
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

  Scenario: while sees the item
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[1,2,3,4]'}
          while: $item < 3
          do:
            - a:
                set: {last: '${ $item }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    last: 2
    """

  Scenario: An empty list gives the input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[]'}
          do:
            - a:
                set: {x: 1}
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

  Scenario: What is no list is an expression error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: .n}
          do:
            - a:
                set: {x: 1}
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    instance: /do/0/loop
    """

  Scenario: Loops within loops
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rows:
          for: {each: row, in: .grid}
          do:
            - cells:
                for: {each: cell, in: $row}
                do:
                  - a:
                      set: {seen: '${ (.seen // []) + [$cell * ($row | length)] }'}
    """
    And given the workflow input is:
    """yaml
    {grid: [[1, 2], [3]]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: [2, 4, 3]
    """

  Scenario: An inner variable hides the outer one
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - rows:
          for: {in: '[1,2]'}
          do:
            - cells:
                for: {in: '[10]'}
                do:
                  - a:
                      set: {seen: '${ (.seen // []) + [$item] }'}
            - b:
                set: {seen: '${ .seen + [$item] }'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: [10, 1, 10, 2]
    """

  Scenario: exit ends the loop
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[1,2,3]'}
          do:
            - a:
                set: {last: '${ $item }'}
                then: exit
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    last: 1
    """

  Scenario: A call in each round
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {in: '[1,2,3]'}
          do:
            - ask:
                call: http
                with: {method: post, endpoint: 'https://api.test/echo/SCENARIO', body: {n: '${ $item }'}}
                output: {as: '{sum: (($input.sum // 0) + .body.n)}'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 6
    """
    And '/echo/SCENARIO' should be called 3 times

  Scenario: A loop needs in
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {each: x}
          do:
            - a:
                set: {x: 1}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `in`' at line 4

  Scenario: A loop's variables end with it
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - loop:
          for: {each: x, in: .l}
          do:
            - a:
                set: {y: '${ $x }'}
      - after:
          set: {y: '${ $x }'}
    """
    When the workflow is registered
    Then the workflow should be refused with 'x' at line 9
