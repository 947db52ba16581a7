"""Browsers' preflights, HEAD, the list of models, and routes that are not served."""

from __future__ import annotations

import time

import httpx
import pytest
from cluster import Cluster
from gateway.running import CHAT, Running, with_gateway

CHAT_PATH = "/v1/chat/completions"
BODY = {"model": "target", "messages": CHAT}
ORIGIN = "http://localhost:3000"


@pytest.mark.parametrize("keys", [(), ("key",)])
def test_pages_of_allowed_origins_may_ask(cluster: Cluster, keys: tuple[str, ...]) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            asked = {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
            }
            preflight = await client.options(CHAT_PATH, headers={"Origin": ORIGIN} | asked)
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == ORIGIN
            assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
            foreign = await client.options(CHAT_PATH, headers={"Origin": "http://evil"} | asked)
            assert foreign.status_code == 400
            assert "access-control-allow-origin" not in foreign.headers
            key = {"Authorization": "Bearer key"}
            answer = await client.post(CHAT_PATH, json=BODY, headers={"Origin": ORIGIN} | key)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            refused = await client.get("/v1/models", headers={"Origin": ORIGIN})
            assert refused.status_code == (401 if keys else 200)
            assert refused.headers["access-control-allow-origin"] == ORIGIN

    with_gateway(cluster, test, f"gateway.allowed_origins=[{ORIGIN}]", keys=keys)


def test_without_allowed_origins_no_page_may_ask(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
            answer = await client.options(CHAT_PATH, headers=headers)
            assert answer.status_code == 405
            assert "gateway.allowed_origins" in answer.json()["error"]["message"]
            assert "access-control-allow-origin" not in answer.headers

    with_gateway(cluster, test)


def test_head_is_answered_where_get_is(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            for path in ("/", "/health", "/health/live", "/metrics", "/v1/models"):
                head, get = await client.head(path), await client.get(path)
                assert (head.status_code, head.content) == (get.status_code, b"")
                assert head.headers["content-type"] == get.headers["content-type"]
            assert (await client.head("/v1/models/none")).status_code == 404
            assert (await client.head(CHAT_PATH)).status_code == 405
            assert (await client.get("/health/live")).json() == {"status": "live"}

    with_gateway(cluster, test)


def test_models_are_described_as_vllm_describes_them(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cards = (await gateway.client().models.list()).data
        context = min(app.state.engine.max_model_len for app in cluster.apps.values())
        for card in cards:
            assert card.owned_by == "rsd"
            assert 0 <= time.time() - card.created < 600
            assert card.model_dump()["max_model_len"] == context

    with_gateway(cluster, test)


@pytest.mark.parametrize(
    ("method", "path", "instead"),
    [
        ("POST", "/v1/messages", "/v1/chat/completions"),
        ("POST", "/v1/embeddings", "embedding model"),
        ("POST", "/v1/audio/speech", "/v1/chat/completions"),
        ("GET", "/v1/responses/resp_1", "/v1/responses"),
        ("GET", "/v1/files", "/v1/chat/completions"),
        ("POST", "/v1/no/such/thing", "/v1/models"),
    ],
)
def test_other_routes_say_what_to_call(
    cluster: Cluster, method: str, path: str, instead: str
) -> None:
    """And not by a 404, for which proxies stop using the whole model."""

    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            answer = await client.request(method, path, json={"model": "rsd"})
        error = answer.json()["error"]
        assert answer.status_code == 400
        assert error["code"] == "unsupported_endpoint"
        assert f"{method} {path} is not served here" in error["message"]
        assert instead in error["message"]

    with_gateway(cluster, test)
