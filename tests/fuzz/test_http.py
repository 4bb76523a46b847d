"""No request over HTTP, good or bad, makes the server fail, or answer otherwise than its schema says."""

from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.bystander import Bystander
from tests.fuzz.conftest import Target
from tests.fuzz.effort import effort
from tests.fuzz.wire import PATIENCE_S

pytestmark = pytest.mark.servers

UNDOCUMENTED = {
    400: "FastAPI's answer to a body that is not UTF-8",
    404: "OpenEnv's answer to the name of an environment that it does not serve",
}
"""Statuses that no schema names."""
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


def test_requests_get_answers_that_the_schema_allows(
    target: Target, bystander: Bystander, tell: list[str]
) -> None:
    schema = schemathesis.openapi.from_url(f"{target.deployment.url}/openapi.json", timeout=PATIENCE_S)
    tried = Counter[str]()
    statuses = Counter[int]()
    with requests.Session() as session:
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()

            @effort(0.2)
            @given(
                operation.as_strategy(GenerationMode.POSITIVE)
                | operation.as_strategy(GenerationMode.NEGATIVE)
            )
            def attempt(case: Case[Any]) -> None:
                response = case.call(session=session, timeout=PATIENCE_S)
                left_out = [status_code_conformance] if response.status_code in UNDOCUMENTED else []
                case.validate_response(response, checks=CHECKS, excluded_checks=left_out)
                bystander.step()
                target.check_logs()
                tried[case.operation.label] += 1
                statuses[response.status_code] += 1

            attempt()
    assert len(tried) > 10
    by_status = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    tell.append(f"{tried.total()} requests over HTTP to {len(tried)} operations: {by_status}")
