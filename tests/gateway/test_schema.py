"""Requests made from the gateway's own OpenAPI document: nothing is answered with a defect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cluster import fake_cluster
from examples import examples
from gateway.running import running_in_thread
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

schemathesis = pytest.importorskip("schemathesis", reason="of the extra dev")

checks = pytest.importorskip("schemathesis.specs.openapi.checks")

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        fake_cluster(tmp_path_factory.mktemp("schema")) as cluster,
        running_in_thread(cluster, "gateway.max_tokens=40") as url,
    ):
        yield url


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/models/{name}"],
)
def test_no_request_is_answered_by_a_defect(url: str, path: str) -> None:
    """The document's schema cannot say all: that a valid body is accepted is not asked."""
    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}/openapi.json").json())
    (operation,) = [each.ok() for each in schema.include(path=path).get_all_operations()]
    known = {
        "messages",
        "prompt",
        "input",
        "max_tokens",
        "n",
        "seed",
        "stop",
        "stream",
        "temperature",
    }

    @settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(), st.sampled_from(["rsd", "draft"]), st.booleans())
    def attempt(case: Any, model: str, plain: bool) -> None:
        if isinstance(case.body, dict):  # else nearly every request asks for an unknown model
            body = {key: case.body[key] for key in case.body if key in known or not plain}
            case.body = {**body, "model": model}
        case.call_and_validate(base_url=url, checks=CHECKS)

    attempt()


@settings(max_examples=examples(50), suppress_health_check=list(HealthCheck))
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["model", "prompt", "n", "stop", "rsd", "seed", "stream", "x"]),
                inner | st.sampled_from(["rsd", "target"]),
                max_size=8,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_answered_or_refused(url: str, body: Any) -> None:
    answer = httpx.post(f"{url}/v1/completions", json=_finite(body), timeout=60)
    assert answer.status_code in (200, 400, 404)


def _finite(value: Any) -> Any:
    """JSON has no NaN; httpx refuses it before the gateway could."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and value - value != 0 else value


def test_the_page_is_one_file_that_may_only_talk_to_its_gateway(url: str) -> None:
    answer = httpx.get(url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in answer.text.replace("HTTP ${", "")
    for assigned in ("innerHTML", "outerHTML", "document.write", "eval("):
        assert assigned not in answer.text


def test_the_document_describes_every_route(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    assert set(document["paths"]) >= {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/models",
        "/health",
        "/metrics",
    }
    assert httpx.get(f"{url}/docs").status_code == 404  # it would load scripts from elsewhere
