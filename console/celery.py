"""Console jobs: Celery on the SQS queue `console-jobs`, and on `deploys` for those that deploy. Each app's
jobs are in its `jobs.py`."""

import os
from typing import Any

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings.console")

app = Celery("console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")


def takes_from(worker: Any, queue: str) -> bool:
    """Whether a worker (the sender of `worker_ready`) takes its jobs from a queue."""
    return queue in {each.name for each in worker.task_consumer.queues}


@app.on_after_configure.connect
def _name_the_queues(sender: Celery, **_: Any) -> None:
    """Give kombu the queues' addresses: with predefined queues it never lists, makes or deletes any."""
    from hub_lambdas import queues

    region = sender.conf.broker_transport_options["region"]
    names = {sender.conf.task_default_queue: "console-jobs", settings.DEPLOYS_QUEUE: "deploys"}
    sender.conf.broker_transport_options["predefined_queues"] = {
        name: {"url": queues.url(plain), "region": region} for name, plain in names.items()
    }
