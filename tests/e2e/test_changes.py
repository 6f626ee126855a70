"""Keys and flows that are changed at the same time on several shards: each change stays, also over a crash."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

COUNT = 12
FLOW = """
document: {{dsl: '1.0.3', namespace: test, name: raced-{n}, version: '1.0.0'}}
do:
  - answer:
      set: {{n: {n}}}
"""


def test_changes_at_the_same_time_are_all_kept(own_server):
    server = own_server(server={"shards": 4}).start()

    def add_key(n: int):
        return server.call("POST", "/api/v1/keys", {"name": f"raced-{n}", "role": "client"})

    def add_flow(n: int):
        return server.call("POST", "/api/v1/flows", FLOW.format(n=n).encode())

    def revoke(key: str):
        return server.call("DELETE", f"/api/v1/keys/{key}")

    doomed = [add_key(1000 + n).json()["id"] for n in range(COUNT)]
    with ThreadPoolExecutor(3 * COUNT) as pool:
        made = [pool.submit(change, n) for n in range(COUNT) for change in (add_key, add_flow)]
        gone = [pool.submit(revoke, key) for key in doomed]
    assert [reply.result().status for reply in made] == [201] * len(made)
    assert [reply.result().status for reply in gone] == [200] * len(gone)

    def check():
        keys = {key["name"]: key for key in server.call("GET", "/api/v1/keys").json()["keys"]}
        assert {f"raced-{n}" for n in range(COUNT)} <= keys.keys()
        assert all(keys[f"raced-{1000 + n}"]["revokedAt"] for n in range(COUNT)), "a revoked key is back"
        flows = {flow["name"] for flow in server.call("GET", "/api/v1/flows").json()["flows"]}
        assert {f"raced-{n}" for n in range(COUNT)} <= flows

    check()
    server.process.kill()
    server.start()
    check()
    assert server.process.stop() == 0
    assert server.verify().returncode == 0
