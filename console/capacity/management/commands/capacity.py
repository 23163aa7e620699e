"""`manage.py capacity`: boxes, waits and costs of a day's messages."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from console.capacity import traffic
from console.capacity.catalog import DATA, read_prices, read_speeds
from console.capacity.errors import CapacityError
from console.capacity.ledger import from_ledger
from console.capacity.picture import pictures
from console.capacity.report import report
from console.capacity.scaling import Metric
from console.capacity.study import Question, Study, study

BAR_WIDTH = 30


class Command(BaseCommand):
    help = (
        "Simulates a day: LLM boxes by hour, waits, costs, and the same for the designs that were not chosen."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--days", type=_count, default=7, help="traffic of the ledger's last days (default: 7)"
        )
        source.add_argument("--csv", type=Path, metavar="FILE", help="columns hour, messages, organization")
        source.add_argument("--messages", type=_count, metavar="N", help="so many messages a day, by rule")
        parser.add_argument(
            "--organizations", type=_count, default=100, help="of --messages, and of a file without them"
        )
        parser.add_argument("--like", metavar="SLUG", help="add an organization like this one")
        parser.add_argument("--times", type=_count, default=1, help="as many of them")
        parser.add_argument("--kind", default="small", help="of the LLM boxes: one of the file of speeds")
        parser.add_argument("--metric", choices=["backlog", "waiting"], default="backlog", help="of scaling")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--speeds", type=Path, default=DATA / "speeds.toml", metavar="FILE")
        parser.add_argument("--prices", type=Path, default=DATA / "prices.toml", metavar="FILE")
        parser.add_argument("--svg", type=Path, metavar="FOLDER", help="write the charts there, too")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            speeds, prices = read_speeds(options["speeds"]), read_prices(options["prices"])
            if options["kind"] not in speeds.kinds:
                raise CapacityError(f"--kind must be one of {', '.join(speeds.kinds)}.")
            question = Question(options["kind"], Metric(options["metric"]), options["seed"])
            found = study(_traffic(options), speeds, prices, question, timezone.now(), self._show)
        except CapacityError as error:
            raise CommandError(str(error)) from error
        finally:
            self._end_bar()
        if options["svg"]:
            _write_pictures(options["svg"], found)
        self.stdout.write(json.dumps(found.as_json(), indent=2) if options["json"] else report(found))

    _is_shown = False

    def _show(self, share: float, title: str) -> None:
        if sys.stderr.isatty():
            self._is_shown = True
            bar = "█" * round(share * BAR_WIDTH)
            self.stderr.write(f"\r{bar:·<{BAR_WIDTH}} {share:4.0%}  {title:<36}", ending="")

    def _end_bar(self) -> None:
        if self._is_shown:
            self.stderr.write("")


def _traffic(options: dict[str, Any]) -> traffic.Traffic:
    if options["csv"]:
        found = _file(options["csv"], options["organizations"])
    elif options["messages"]:
        found = traffic.by_rule(options["messages"], options["organizations"])
    else:
        found = from_ledger(timezone.now(), options["days"])
    return found.with_more_like(options["like"], options["times"]) if options["like"] else found


def _file(path: Path, organizations: int) -> traffic.Traffic:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return traffic.from_csv(lines, path.name, organizations)
    except (OSError, UnicodeDecodeError) as error:
        raise CapacityError(f"{path} cannot be read: {error}.") from error


def _write_pictures(folder: Path, found: Study) -> None:
    for name, picture in pictures(found):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"capacity-{name}.svg").write_text(picture)


def _count(written: str) -> int:
    if (count := int(written)) < 1:
        raise ValueError
    return count
