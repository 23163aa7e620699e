"""Clients of AWS for functions and pages: on botocore alone, since boto3 would lengthen a cold start by
another 0.1 s, and all on one session, which reads once what botocore knows of regions and endpoints."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session

SERVICES = ("cloudwatch", "secretsmanager", "sqs")
"""Those that are spoken to so. Files go through django-storages, which has boto3."""


def client(service: str, region: str, endpoint_url: str | None, config: "Config | None" = None) -> Any:
    """A new client of one of SERVICES."""
    return _session().create_client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        config=config,
    )


@cache
def _session() -> "Session":
    import botocore.session
    from botocore.loaders import Loader

    class Known(Loader):
        """Does not look through the folders of some 400 services to find that these are there."""

        def list_available_services(self, type_name: str) -> list[str]:
            return [*SERVICES]

    session = botocore.session.get_session()
    session.register_component("data_loader", Known())
    return session
