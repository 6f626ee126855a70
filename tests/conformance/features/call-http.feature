Feature: call: http
  Requests, answers, credentials.

  Scenario: A GET with the short form of an endpoint
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
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

  Scenario: The method is sent as it should be
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: put, endpoint: 'https://api.test/echo'}
          output: {as: .method}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    PUT
    """

  Scenario: A body of JSON
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: post, endpoint: 'https://api.test/echo', body: {n: '${ .n }', list: [1]}}
          output: {as: '{body: .body, type: .headers["content-type"]}'}
    """
    And given the workflow input is:
    """yaml
    {n: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    body: {n: 2, list: [1]}
    type: application/json
    """

  Scenario: Headers
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/echo', headers: {x-one: fixed, x-two: '${ .n }'}}
          output: {as: '[.headers["x-one"], .headers["x-two"]]'}
    """
    And given the workflow input is:
    """yaml
    {n: 2}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [fixed, '2']
    """

  Scenario: Headers from an expression
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/echo', headers: '${ {"x-one": .h} }'}
          output: {as: '.headers["x-one"]'}
    """
    And given the workflow input is:
    """yaml
    {h: v}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    v
    """

  Scenario: Query parameters
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/echo', query: {q: '${ .q }', page: '2'}}
          output: {as: .query}
    """
    And given the workflow input is:
    """yaml
    {q: 'a&b c'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    q: 'a&b c'
    page: '2'
    """

  Scenario: Query parameters beside those of the URL
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/echo?a=1', query: {b: '2'}}
          output: {as: .query}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    {a: '1', b: '2'}
    """

  Scenario: A URI template takes members of the input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/echo/{word}?n={n}'}}
          output: {as: '[.path, .query.n]'}
    """
    And given the workflow input is:
    """yaml
    {word: a/b, n: 5}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ['/echo/a/b', '5']
    """

  Scenario: An endpoint from an expression is no template
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: '${ .url }'}
          output: {as: .path}
    """
    And given the workflow input is:
    """yaml
    {url: 'https://api.test/echo/x'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    /echo/x
    """

  Scenario: Output content of text
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/text'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    plain words
    """

  Scenario: Output raw is Base64
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/text', output: raw}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    cGxhaW4gd29yZHM=
    """

  Scenario: Output response
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/v2/pet/2', output: response}
          output: {as: '{code: .statusCode, name: .content.name, method: .request.method, uri: .request.uri, type: .headers["content-type"]}'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    code: 200
    name: bella
    method: GET
    uri: https://api.test/v2/pet/2
    type: application/json
    """

  Scenario: An answer without a body gives null
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/empty'}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    null
    """

  Scenario: A status that is no success is a communication error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/status/503'}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 503
    instance: /do/0/ask
    """

  Scenario: A redirection is an error
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/redirect'}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 302
    """

  Scenario: A redirection that is welcome
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/redirect', redirect: true, output: response}
          output: {as: .statusCode}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    302
    """

  Scenario: A host that the configuration does not name
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://elsewhere.test/'}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authorization
    status: 403
    """

  Scenario: An endpoint that is no URL
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: '${ .url }'}
    """
    And given the workflow input is:
    """yaml
    {url: nowhere}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: Credentials: basic
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/basic-auth/ann/pw', authentication: {basic: {username: ann, password: pw}}}}
          output: {as: .user}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ann
    """

  Scenario: Credentials: wrong
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/basic-auth/ann/pw', authentication: {basic: {username: ann, password: no}}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 401
    """

  Scenario: Credentials: basic from a secret
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {secrets: [login]}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/basic-auth/ann/pw', authentication: {basic: {use: login}}}}
          output: {as: .user}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ann
    """

  Scenario: Credentials: bearer
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/bearer/abc', authentication: {bearer: {token: '${ .t }'}}}}
          output: {as: .authenticated}
    """
    And given the workflow input is:
    """yaml
    {t: abc}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: Credentials: digest
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/digest-auth/ann/pw', authentication: {digest: {username: ann, password: pw}}}}
          output: {as: .user}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ann
    """

  Scenario: Credentials under use.authentications
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    use: {authentications: {shared: {bearer: {token: abc}}}}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/bearer/abc', authentication: {use: shared}}}
          output: {as: .authenticated}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: Credentials: OAuth2, client credentials
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/bearer/token-of-me', authentication: {oauth2: {authority: 'https://login.test', grant: client_credentials, client: {id: me, secret: s}, scopes: [read]}}}}
          output: {as: .authenticated}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: Credentials: OAuth2, the client in a header
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/bearer/token-of-me', authentication: {oauth2: {authority: 'https://login.test', grant: client_credentials, client: {id: me, secret: s, authentication: client_secret_basic}}}}}
          output: {as: .authenticated}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: Credentials: OAuth2 refused
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/bearer/x', authentication: {oauth2: {authority: 'https://login.test', grant: client_credentials, client: {id: me, secret: wrong}}}}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authentication
    status: 401
    """

  Scenario: Credentials: OpenID Connect
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/bearer/token-of-oidc', authentication: {oidc: {authority: 'https://login.test', grant: client_credentials, client: {id: oidc, secret: s}}}}}
          output: {as: .authenticated}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario: Credentials that need a person
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/', authentication: {oauth2: {authority: 'https://login.test', grant: authorization_code}}}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'grant `authorization_code`'

  Scenario: An authentication that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: {uri: 'https://api.test/', authentication: {use: nothing}}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'no `nothing` under use.authentications'

  Scenario: A call needs an endpoint
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get}
    """
    When the workflow is registered
    Then the workflow should be refused with 'needs `endpoint`'

  Scenario: An output that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/', output: xml}
    """
    When the workflow is registered
    Then the workflow should be refused with 'content, raw, response'

  Scenario: A property that is not there
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}
    do:
      - ask:
          call: http
          with: {method: get, endpoint: 'https://api.test/', qery: {}}
    """
    When the workflow is registered
    Then the workflow should be refused with 'did you mean `query`'
