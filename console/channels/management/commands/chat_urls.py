"""`manage.py chat_urls`: where to chat."""

from typing import Any

from django.core.management.base import BaseCommand

from console.channels.addresses import page_urls
from console.channels.models import Channel
from hub_lambdas.channels import KINDS


class Command(BaseCommand):
    help = "Print the addresses of the active channels' chat pages, one a line."

    def handle(self, *args: Any, **options: Any) -> None:
        for channel in Channel.objects.filter(status=Channel.Status.ACTIVE, kind__in=KINDS):
            if page := page_urls(channel).get("page"):
                self.stdout.write(page)
