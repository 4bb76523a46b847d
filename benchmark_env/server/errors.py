"""HTTP error bodies that are valid JSON, whatever the client sent."""

import json
import traceback
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from openenv.core.env_server.serialization import deserialize_action
from starlette.exceptions import HTTPException


def install(app: FastAPI) -> None:
    """Have `app` answer bad requests with FastAPI's own bodies, made valid JSON if they are not.

    FastAPI quotes the input in its errors, and fails with status 500 if that is NaN, infinite, or text that
    is not valid UTF-8. Here such numbers become the strings "NaN", "Infinity" and "-Infinity". OpenEnv fails
    with status 500 if the `type` of an action is a list or an object.
    """
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(TypeError, _type_error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    try:
        return await http_exception_handler(request, error)
    except (ValueError, RecursionError):
        return JSONResponse({"detail": _plain(error.detail)}, error.status_code, error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    try:
        return await request_validation_exception_handler(request, error)
    except (ValueError, RecursionError):
        return JSONResponse({"detail": _plain(error.errors())}, 422)


async def _type_error(_request: Request, error: Exception) -> Response:
    frames = traceback.walk_tb(error.__traceback__)
    if not any(frame.f_code is deserialize_action.__code__ for frame, _ in frames):
        raise error
    detail = {"type": "string_type", "loc": ["type"], "msg": "Input should be a valid string"}
    return JSONResponse({"detail": [detail]}, 422)


def _plain(detail: Any) -> Any:
    try:
        text = json.dumps(detail, ensure_ascii=False, default=str).encode("utf-8", "replace")
    except RecursionError:
        return [{key: entry[key] for key in ("type", "loc", "msg")} for entry in detail]
    return json.loads(text, parse_constant=str)
