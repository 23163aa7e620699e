"""How far a console job has come, on its row."""

from collections.abc import Callable

from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

Show = Callable[[int, int], None]
"""Is told how many rows a job has been through, and of how many."""


class Progress(models.Model):
    """Rows that a job has been through, of how many."""

    rows_done = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    rows_total = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        abstract = True

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return min(100, 100 * self.rows_done // self.rows_total) if self.rows_total else 0


def progress_bar(job: Progress) -> SafeString:
    """It as a page shows it."""
    return format_html(
        '<span class="hub-progress"><progress max="100" value="{0}" aria-label="{1}"></progress>'
        " {0} %</span>",
        job.percent,
        _("Progress"),
    )
