"""Console jobs: Celery on the SQS queue `console-jobs`. Each app's jobs are in its `jobs.py`."""

import os
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings.console")

app = Celery("console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")


@app.on_after_configure.connect
def _name_the_queue(sender: Celery, **_: Any) -> None:
    """Give kombu the queue's address: with predefined queues it never lists, makes or deletes any."""
    from hub_lambdas import queues

    address = {"url": queues.url("console-jobs"), "region": sender.conf.broker_transport_options["region"]}
    sender.conf.broker_transport_options["predefined_queues"] = {sender.conf.task_default_queue: address}
