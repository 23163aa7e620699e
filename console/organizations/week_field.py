"""Business hours in a form: a text for each weekday."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS as WEEKDAY_LABELS
from unfold.widgets import UnfoldAdminTextInputWidget

from console.organizations.business_hours import WEEKDAYS, join_week, parse_day, split_week, write_day


class WeekWidget(forms.MultiWidget):
    template_name = "admin/organizations/week.html"

    def __init__(self) -> None:
        super().__init__([UnfoldAdminTextInputWidget({"autocomplete": "off"}) for _ in WEEKDAYS])

    def decompress(self, value: str | None) -> list[str]:
        days = split_week(value or "")
        return [days.get(name, "") for name in WEEKDAYS]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        labels = (WEEKDAY_LABELS[number] for number in range(len(WEEKDAYS)))
        context["days"] = list(zip(labels, context["widget"]["subwidgets"], strict=True))
        return context


class WeekField(forms.MultiValueField):
    """A text as `business_hours.parse_week` reads it, with every time written the same way."""

    def __init__(self, **kwargs: Any) -> None:
        days = [forms.CharField(required=False, max_length=100) for _ in WEEKDAYS]
        super().__init__(days, widget=WeekWidget(), require_all_fields=False, **kwargs)

    def compress(self, data_list: Sequence[str]) -> str:
        written, problems = {}, []
        for number, (name, text) in enumerate(zip(WEEKDAYS, data_list, strict=False)):
            try:
                written[name] = write_day(parse_day(text)) if text else ""
            except ValidationError as problem:
                problems.append(f"{WEEKDAY_LABELS[number]}: {' '.join(problem.messages)}")
        if problems:
            raise ValidationError(problems)
        return join_week(written)
