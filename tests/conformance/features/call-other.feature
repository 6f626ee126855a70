Feature: Other calls
  OpenAPI, AsyncAPI, JSON-RPC, functions of one's own.

  Scenario: OpenAPI: an operation of a Swagger document
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: openapi
          with: {document: {endpoint: 'https://petstore.swagger.io/v2/swagger.json'}, operationId: getPetById, parameters: {petId: 2}}
          output: {as: .name}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    bella
    """

  Scenario: OpenAPI: parameters in path, query, header and body
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: openapi
          with: {document: {endpoint: 'https://api.test/v3/openapi.json'}, operationId: echoWord, parameters: {word: hi, loud: 'yes', x-trace: t1, note: n}}
          output: {as: '[.method, .path, .query.loud, .headers["x-trace"], .body.note]'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [POST, /v3/echo/hi, 'yes', t1, n]
    """

  Scenario: OpenAPI: a body parameter of Swagger
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: openapi
          with: {document: {endpoint: 'https://petstore.swagger.io/v2/swagger.json'}, operationId: addPet, parameters: {body: {name: new}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    name: new
    """

  Scenario: OpenAPI: an operation that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: openapi
          with: {document: {endpoint: 'https://petstore.swagger.io/v2/swagger.json'}, operationId: nothing}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: OpenAPI: a parameter is missing
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: openapi
          with: {document: {endpoint: 'https://petstore.swagger.io/v2/swagger.json'}, operationId: getPetById}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    """

  Scenario: A2A: a method of an agent
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: a2a
          with: {server: 'https://api.test/rpc', method: message/send, parameters: {message: hi}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    method: message/send
    params: {message: hi}
    """

  Scenario: MCP: a tool over HTTP
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: mcp
          with: {method: tools/call, parameters: {name: t, arguments: {a: 1}}, transport: {http: {endpoint: 'https://api.test/mcp'}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    method: tools/call
    params: {name: t, arguments: {a: 1}}
    """

  Scenario: A function of the flow
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {functions: {double: {set: {got: '${ .n * 2 }'}}}}
    do:
      - ask:
          call: double
          with: {n: '${ .v }'}
    """
    And given the workflow input is:
    """yaml
    {v: 4}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 8
    """

  Scenario: A function that calls
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {functions: {getPet: {call: http, with: {method: get, endpoint: 'https://petstore.swagger.io/v2/pet/{petId}'}}}}
    do:
      - ask:
          call: getPet
          with: {petId: 3}
          output: {as: .name}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    max
    """

  Scenario: A function's input has its schema
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {functions: {double: {input: {schema: {document: {properties: {n: {type: number}}}}}, set: {got: '${ .n * 2 }'}}}}
    do:
      - ask:
          call: double
          with: {n: text}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    instance: /use/functions/double
    """

  Scenario: A function shapes its output
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {functions: {wrap: {set: {got: '${ .n }'}, output: {as: '[.got]'}}}}
    do:
      - ask:
          call: wrap
          with: {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [1]
    """

  Scenario: A function of several tasks
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {functions: {both: {do: [{a: {set: {n: '${ .n + 1 }'}}}, {b: {set: {n: '${ .n + 1 }'}}}]}}}
    do:
      - ask:
          call: both
          with: {n: 1}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 3
    """

  Scenario: A function that calls itself
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {functions: {again: {call: again}}}
    do:
      - ask:
          call: again
    """
    When the workflow is registered
    Then the workflow should be refused with 'calls itself'

  Scenario: A function that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: nothing
    """
    When the workflow is registered
    Then the workflow should be refused with 'unknown function `nothing`' at line 4

  Scenario: gRPC: a proto that cannot be had is refused where it is named
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: grpc
          with: {proto: {endpoint: 'file://x'}, service: {name: s, host: h}, method: m}
    """
    When the workflow is registered
    Then the workflow should be refused with '`file://x` could not be had' at line 5

  Scenario: AsyncAPI: a message to a channel of a 2.6 document
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-2.json'}, channel: 'orders/{country}', server: {name: web, variables: {place: api}}, message: {payload: {id: 7, country: de}, headers: {x-trace: t1}}}
          output: {as: '[.method, .path, .headers["x-trace"], .body, .headers["content-type"]]'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [PUT, /echo/orders/de, t1, {id: 7, country: de}, application/json]
    """

  Scenario: AsyncAPI: an operation of a 3.0 document
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: greet, message: {payload: Hello}}
          output: {as: '[.method, .path, .body, .headers["content-type"]]'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [POST, /echo/greetings, Hello, text/plain]
    """

  Scenario: AsyncAPI: with an authentication
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: open, message: {payload: {}}, authentication: {bearer: {token: s3cret}}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    authenticated: true
    """

  Scenario: AsyncAPI: the same key however often the message is sent
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: greet, message: {payload: Hello}}
          output: {as: '.headers["idempotency-key"] | test("^[0-9a-zA-Z_-]+-[0-9]+$")'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: AsyncAPI: a payload that its schema does not take
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-2.json'}, channel: 'orders/{country}', server: {name: web, variables: {place: api}}, message: {payload: {id: seven, country: de}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: AsyncAPI: nothing may be published to the channel
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-2.json'}, channel: heard, message: {payload: hi}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: AsyncAPI: a server of a protocol that is not supported
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: queue, message: {payload: hi}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: AsyncAPI: Kafka where none is configured
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: greet, protocol: kafka, message: {payload: hi}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/configuration
    status: 500
    """

  Scenario: AsyncAPI: a protocol that is not supported is refused by name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: queue, protocol: mqtt, message: {payload: hi}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'protocol `mqtt` is not supported' at line 5

  Scenario: AsyncAPI: a subscription is refused by name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - tell:
          call: asyncapi
          with: {document: {endpoint: 'https://api.test/asyncapi-3.yaml'}, operation: greet, subscription: {consume: {amount: 1}}}
    """
    When the workflow is registered
    Then the workflow should be refused with '`subscription` is not supported' at line 5

  Scenario: A function of a catalog gets what `with` says
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {catalogs: {shared: {endpoint: {uri: 'https://api.test/catalog'}}}}
    do:
      - twice: {call: 'double:1.0.0@shared', with: {n: 21}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 42
    """

  Scenario: The default catalog needs no definition
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - greet: {call: 'greet:2.0.0@default', with: {name: Ann}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    said: Hello, Ann
    """

  Scenario: A function that its catalog does not have is refused where it is called
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {catalogs: {shared: {endpoint: {uri: 'https://api.test/catalog'}}}}
    do:
      - ask:
          call: nothing:1.0.0@shared
    """
    When the workflow is registered
    Then the workflow should be refused with '`nothing:1.0.0@shared` could not be had' at line 5

  Scenario: A catalog at a host that the configuration does not name is refused
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {catalogs: {shared: {endpoint: 'https://elsewhere.test'}}}
    do:
      - ask:
          call: log:1.0.0@shared
    """
    When the workflow is registered
    Then the workflow should be refused with 'elsewhere.test' at line 5
