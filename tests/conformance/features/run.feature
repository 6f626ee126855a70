Feature: run
  Scripts, shells, flows.

  Scenario: JavaScript: what it prints
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {script: {language: js, code: 'console.log("hello", 1 + 1)'}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    hello 2
    """

  Scenario: JavaScript: arguments, environment and input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {script: {language: javascript, arguments: ['${ .a }'], environment: {B: '${ .b }'}, stdin: '${ .c }', code: 'console.log(process.argv[2], process.env.B, stdin)'}}
    """
    And given the workflow input is:
    """yaml
    {a: x, b: y, c: z}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x y z
    """

  Scenario: Return: stderr
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {return: stderr, script: {language: js, code: 'console.error("oops")'}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    oops
    """

  Scenario: Return: code
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {return: code, script: {language: js, code: 'process.exitCode = 3'}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    3
    """

  Scenario: Return: all
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {return: all, script: {language: js, code: 'console.log("a"); console.error("b")'}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    code: 0
    stdout: a
    stderr: b
    """

  Scenario: Return: none
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {return: none, script: {language: js, code: 'console.log(1)'}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    null
    """

  Scenario: A process that is not awaited gives the input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {await: false, script: {language: js, code: 'console.log(1)'}}
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

  Scenario: JavaScript that throws
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {script: {language: js, code: 'throw new Error("no")'}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/runtime
    status: 500
    instance: /do/0/js
    """

  Scenario: JavaScript without end
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - js:
          run: {script: {language: js, code: 'while (true) {}'}}
          timeout: {after: {milliseconds: 200}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    """

  Scenario: Shell: output and arguments
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - sh:
          run: {shell: {command: 'echo "$1 and $2"', arguments: [a, '${ .b }']}}
    """
    And given the workflow input is:
    """yaml
    {b: b}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a and b
    """

  Scenario: Shell: input and environment
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - sh:
          run: {shell: {command: 'read line; echo "$line $NAME"', stdin: hello, environment: {NAME: ann}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    hello ann
    """

  Scenario: Shell: exit status
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - sh:
          run: {return: code, shell: {command: exit 7}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    7
    """

  Scenario: Shell: a status that is no success
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - sh:
          run: {shell: {command: exit 7}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/runtime
    status: 500
    """

  Scenario: Shell: no files of the machine
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - sh:
          run: {shell: {command: 'cat /etc/hostname 2>/dev/null || echo walled'}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    walled
    """

  Scenario: Shell: no network
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - py:
          run: {script: {language: python, code: "import socket\ntry:\n  socket.create_connection(('127.0.0.1', 80), 1)\nexcept OSError as e:\n  print('walled')"}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    walled
    """

  Scenario: Python
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - py:
          run: {script: {language: python, arguments: ['4'], stdin: '5', code: "import sys\nprint(int(sys.argv[1]) * int(sys.stdin.read()))"}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    '20'
    """

  Scenario: A flow within a flow
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: child, version: '1.0.0'}
    do:
      - double:
          set: {n: '${ .n * 2 }'}
    """
    And another workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: parent, version: '1.0.0'}
    do:
      - ask:
          run: {workflow: {namespace: test, name: child, version: '1.0.0', input: {n: '${ .n }'}}}
      - more:
          set: {n: '${ .n + 1 }'}
    """
    And given the workflow input is:
    """yaml
    {n: 4}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 9
    """

  Scenario: A flow's error is the task's error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: child, version: '1.0.0'}
    do:
      - fail:
          raise: {error: {type: 'https://test/e', status: 409, title: T}}
    """
    And another workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: parent, version: '1.0.0'}
    do:
      - ask:
          run: {workflow: {namespace: test, name: child, version: latest}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://test/e
    status: 409
    instance: /do/0/ask
    """

  Scenario: A flow that is not awaited
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: child, version: '1.0.0'}
    do:
      - rest:
          wait: {seconds: 30}
    """
    And another workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: parent, version: '1.0.0'}
    do:
      - ask:
          run: {await: false, workflow: {namespace: test, name: child, version: '1.0.0'}}
    """
    And given the workflow input is:
    """yaml
    {n: 4}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 4
    """

  Scenario: A flow that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          run: {workflow: {namespace: test, name: nothing, version: '1.0.0'}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/configuration
    status: 404
    """

  Scenario: Containers are refused where the operator has named no runtime
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - box:
          run: {container: {image: alpine}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'no container runs here: flows.containers is not in signalbox.yaml' at line 4

  Scenario: Ports of a container are refused by name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - box:
          run: {container: {image: alpine, ports: {80: 80}}}
    """
    When the workflow is registered
    Then the workflow should be refused with '`ports` is not supported' at line 4

  Scenario: A container's name that would be an option is none
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - box:
          run: {container: {image: alpine, name: '--privileged'}}
    """
    When the workflow is registered
    Then the workflow should be refused with '`name` begins with a letter or digit' at line 4

  Scenario: A language that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - x:
          run: {script: {language: cobol, code: x}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'language `cobol` is not supported'

  Scenario: A return that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - x:
          run: {return: everything, shell: {command: x}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'stdout, stderr, code, all, none'
