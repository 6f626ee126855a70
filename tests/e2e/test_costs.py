"""What was spent: each sum is the whole, one run is explained attempt by attempt, files for other programs."""

from __future__ import annotations

import csv
import io

import pytest

from test_policy import key_of


def test_costs_are_taken_apart_and_add_up(own_server):
    server = own_server(keys={"limits": {"spend_micro_per_day": 100_000}}).start()
    client = server.call("POST", "/api/v1/keys", {"name": "app", "role": "client"}).json()
    runs = [server.chat(f"hello number {i}, costs test", key=client["key"]) for i in range(3)]
    spent = sum(int(run.headers["x-signalbox-cost"]) for run in runs)
    assert spent > 0
    costs = server.call("GET", "/api/v1/costs").json()
    assert costs["total_micro"] == spent and costs["by_key"][client["id"]]["cost_micro"] == spent
    for by in ("by_route", "by_model", "by_key", "by_tenant", "by_flow", "by_day"):
        assert sum(entry["cost_micro"] for entry in costs[by].values()) == spent, by
    assert costs["forecast_month"] is None, "one day tells nothing"
    budget = next(b for b in costs["budgets"] if b["key"] == client["id"])
    assert budget["spent_today_micro"] == spent and budget["limit_micro_per_day"] == 100_000

    one = server.call("GET", f"/api/v1/costs?run={runs[0].headers['x-signalbox-run']}").json()
    assert one["total_micro"] == int(runs[0].headers["x-signalbox-cost"])
    attempts = [attempt for call in one["calls"] for attempt in call.get("attempts", [])]
    assert sum(attempt["cost_micro"] for attempt in attempts) == one["total_micro"]
    assert attempts[0]["input_tokens"] > 0 and len(attempts[0]["price"]) == 3

    rows = list(csv.DictReader(io.StringIO(server.call("GET", "/api/v1/costs?format=csv").body.decode())))
    assert sum(int(row["cost_micro"]) for row in rows) == spent
    focus = list(csv.DictReader(io.StringIO(server.call("GET", "/api/v1/costs?format=focus").body.decode())))
    assert round(sum(float(row["BilledCost"]) for row in focus) * 1_000_000) == spent
    assert {row["ChargeCategory"] for row in focus} == {"Usage"}
    assert server.call("GET", "/api/v1/costs?since=2020-01-01&until=2020-02-01").json()["total_micro"] == 0
    for wrong in ("since=tomorrow", "until=2026-02-30", "format=xml", "run=x"):
        assert server.call("GET", f"/api/v1/costs?{wrong}").status == 400, wrong


def test_who_sees_costs_sees_their_own_tenants(own_server):
    server = own_server().start()
    other = key_of(server, "operator", "elsewhere")
    server.chat("hello, costs of a tenant")
    assert server.call("GET", "/api/v1/costs", key=other).json()["total_micro"] == 0
    run = server.chat("hello again, costs of a tenant").headers["x-signalbox-run"]
    assert server.call("GET", f"/api/v1/costs?run={run}", key=other).status == 404
    assert server.call("GET", "/api/v1/costs", key=key_of(server, "client")).status == 403


def test_the_soft_limit_warns_and_the_hard_one_refuses(own_server):
    server = own_server().start()
    probe = int(server.chat("hello, soft limit test").headers["x-signalbox-cost"])
    limits = {"spend_micro_per_day": 10_000}
    key = server.call("POST", "/api/v1/keys", {"name": "app", "role": "client", "limits": limits}).json()["key"]
    warned, replies = [], []
    for _ in range(2 + 10_000 // probe):
        reply = server.call("POST", "/v1/chat/completions", {
            "model": "simulated", "max_tokens": 20, "messages": [{"role": "user", "content": "hello, soft limit test"}]}, key=key)
        replies.append(reply.status)
        if reply.status != 200:
            break
        percent = reply.headers.get("x-signalbox-budget-used-percent")
        if percent:
            warned.append(int(percent))
    assert replies[-1] == 429 and warned and 80 <= warned[0] <= 100
    assert len(warned) < len(replies) - 1, "not from the first call on"
