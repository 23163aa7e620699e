"""A request as each front door of AWS hands it to a Lambda.

Sources: "Working with AWS Lambda proxy integrations for HTTP APIs" (payload formats 1.0 and 2.0), "Set up
Lambda proxy integrations in API Gateway" (REST), "Invoking Lambda function URLs" (AWS' developer guides).
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from hub_lambdas.http import Request

STAGE = "prod"
Event = dict[str, Any]


def rest_api(request: Request, is_encoded: bool) -> Event:
    """Format 1.0: header names as they were sent, the query in parts, the stage apart."""
    parameters = parse_qs(request.raw_query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "httpMethod": request.method,
        "path": request.path,
        "headers": {name.title(): value for name, value in request.headers.items()},
        "multiValueHeaders": {name.title(): [value] for name, value in request.headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
        "multiValueQueryStringParameters": parameters or None,
        "requestContext": {
            "stage": STAGE,
            "path": f"/{STAGE}{request.path}",
            "httpMethod": request.method,
            "identity": {"sourceIp": request.source_ip},
        },
        **_body(request, is_encoded),
    }


def http_api(request: Request, is_encoded: bool) -> Event:
    """Format 2.0: the stage is part of the path."""
    return _format_2(request, is_encoded, f"/{STAGE}{request.path}", STAGE)


def function_url(request: Request, is_encoded: bool) -> Event:
    """Format 2.0 without a stage."""
    return _format_2(request, is_encoded, request.path, "$default")


def _format_2(request: Request, is_encoded: bool, path: str, stage: str) -> Event:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.raw_query,
        "headers": dict(request.headers),
        "requestContext": {
            "stage": stage,
            "http": {"method": request.method, "path": path, "sourceIp": request.source_ip},
        },
        **_body(request, is_encoded),
    }


def _body(request: Request, is_encoded: bool) -> Event:
    body = base64.b64encode(request.body) if is_encoded else request.body
    return {"body": body.decode(), "isBase64Encoded": is_encoded}


GATEWAYS: Mapping[str, Callable[[Request, bool], Event]] = {
    "REST API": rest_api,
    "HTTP API": http_api,
    "function URL": function_url,
}
