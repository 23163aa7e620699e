"""A study's charts as files: SVG that follows the reader's light or dark."""

from collections.abc import Iterator

from django.template.loader import render_to_string

from console.capacity.charts import CHARTS
from console.capacity.study import Study


def pictures(study: Study) -> Iterator[tuple[str, str]]:
    """The name of each chart and its SVG document."""
    keys = [result.key for result in study.results]
    for draw in CHARTS:
        chart = draw(study)
        yield chart.name, render_to_string("admin/capacity/picture.svg", {"chart": chart, "keys": keys})
