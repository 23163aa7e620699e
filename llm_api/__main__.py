"""`python -m llm_api`: the API on 127.0.0.1 and the queue consumer, in one process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from llm_api.api import create_app
from llm_api.consumer import Consumer
from llm_api.engine.base import Engine, ModelLoadError
from llm_api.engine.remote import RemoteEngine
from llm_api.logs import start_logging
from llm_api.metrics import Metrics
from llm_api.queues import SqsQueues
from llm_api.settings import ROOT, Settings, SettingsError, load_settings
from llm_api.slots import Slots

if TYPE_CHECKING:
    from llm_api.engine.embedded import EmbeddedEngine
    from llm_api.engine.plan import Plan

log = logging.getLogger(__name__)

HOST = "127.0.0.1"


class Server(uvicorn.Server):
    """Tells the consumer of a signal at once, and exits with 0 where uvicorn would raise it again."""

    def __init__(self, config: uvicorn.Config, consumer: Consumer) -> None:
        super().__init__(config)
        self._consumer = consumer

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        asyncio.get_running_loop().call_soon_threadsafe(self._consumer.stop_receiving)


def main(root: Path = ROOT) -> int:
    """Serve until a signal; the exit code is 2 when a setting or the model file is at fault."""
    start_logging()
    try:
        settings = load_settings(root)
        listener = _listen(settings.port)
        engine = _engine(settings, root)
    except (SettingsError, ModelLoadError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asyncio.run(_serve(settings, engine, listener))
    return 0


async def _serve(settings: Settings, engine: Engine, listener: socket.socket) -> None:
    slots, metrics = Slots(engine.slots), Metrics()
    metrics.watch_engine(engine.numbers)
    queues = SqsQueues(
        prefix=settings.queue_prefix,
        region=settings.aws_region,
        endpoint_url=settings.aws_endpoint_url,
        visibility_seconds=settings.visibility_seconds,
        poll_seconds=settings.poll_seconds,
        threads=engine.slots + 6,  # a receive, a heartbeat's batches, and per request a call of its own
    )
    consumer = Consumer(
        queues,
        engine,
        slots,
        metrics,
        held_requests=settings.held,
        visibility_seconds=settings.visibility_seconds,
        drain_seconds=settings.drain_seconds,
    )
    token = settings.token.get_secret_value()
    app = create_app(engine=engine, consumer=consumer, slots=slots, metrics=metrics, token=token)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, settings.drain_seconds),
    )
    try:
        await Server(config, consumer).serve(sockets=[listener])
    finally:
        await queues.close()
        await engine.close()


def _listen(port: int) -> socket.socket:
    """Take the port before the model is loaded, so that a busy one is told at once."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise SettingsError(
            f"Port {port} on {HOST} cannot be used ({error.strerror}): set HUB_LLM_PORT to a free one."
        ) from None
    return listener


def _engine(settings: Settings, root: Path) -> Engine:
    if settings.url is not None:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return RemoteEngine(settings.url, api_key=key, model_name=settings.model_name, slots=settings.slots)
    from llm_api.engine.model import has_gpu  # llama.cpp is not needed, nor loaded, with HUB_LLM_URL
    from llm_api.tuning.record import Records

    if settings.gpu and not has_gpu():
        raise SettingsError(
            "HUB_LLM_GPU is true, and llama.cpp finds no GPU: see what nvidia-smi says, and whether "
            "llama-cpp-python was compiled for one, or set it to false to compute on the CPU."
        )
    records = Records(root / settings.home, settings.find_model())
    tuned = records.load() if settings.tuned else None
    if tuned is None:
        engine = _embedded(settings, root, records.weights(""), None)
        log.info("not tuned: python -m llm_api.tune finds what is fastest on this machine")
        return engine
    try:
        engine = _embedded(settings, root, records.weights(tuned.weights), tuned.plan)
    except ModelLoadError as error:
        log.warning("what was tuned cannot be used", extra={"fields": {"error": str(error)}})
        return _embedded(settings, root, records.weights(""), None)
    told = {"weights": tuned.weights or "as in the file", **asdict(engine.plan), "gain": round(tuned.gain, 2)}
    log.info("tuned", extra={"fields": told})
    at = datetime.fromtimestamp(tuned.at, UTC)
    note = f"{at:%d %B %Y}, {tuned.gain:.2f} times as fast"
    engine.about = {"Weights": tuned.weights or "as in the file", **engine.about, "Tuned": note}
    return engine


def _embedded(settings: Settings, root: Path, model: Path, plan: Plan | None) -> EmbeddedEngine:
    from llm_api.engine.embedded import EmbeddedEngine

    return EmbeddedEngine(
        model,
        context_tokens=settings.context_tokens,
        threads=settings.threads,
        slots=settings.slots,
        prefix_bytes=settings.prefix_bytes,
        spill_folder=root / settings.home / "llm" if settings.spill_bytes else None,
        spill_bytes=settings.spill_bytes,
        plan=plan,
    )


if __name__ == "__main__":
    sys.exit(main())
