"""What ops ask on the Capacity page."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.capacity.catalog import read_speeds
from console.capacity.ledger import from_ledger
from console.capacity.traffic import Traffic, by_rule


class QuestionForm(forms.Form):
    """The traffic, and the kind of the LLM boxes. Its cleaned data is what is kept with the run."""

    source = forms.ChoiceField(
        choices=[("ledger", _("The ledger's last days")), ("rule", _("So many messages"))], initial="ledger"
    )
    days = forms.IntegerField(min_value=1, max_value=90, initial=7, label=_("Days"))
    messages = forms.IntegerField(
        min_value=1, max_value=10_000_000, initial=100_000, label=_("Messages a day")
    )
    organizations = forms.IntegerField(min_value=1, max_value=10_000, initial=100, label=_("Organizations"))
    like = forms.SlugField(required=False, label=_("Add organizations like"), help_text=_("an identifier"))
    times = forms.IntegerField(min_value=1, max_value=10_000, initial=1, label=_("How many"))
    kind = forms.ChoiceField(
        label=_("LLM boxes"), initial="small", widget=forms.Select({"aria-label": _("LLM boxes")})
    )

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        kinds = read_speeds().kinds.values()
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(kind.name, kind.title) for kind in kinds]


def traffic_of(question: dict[str, Any]) -> Traffic:
    """What a question is about. Raises CapacityError where there is none."""
    if question["source"] == "rule":
        found = by_rule(question["messages"], question["organizations"])
    else:
        found = from_ledger(timezone.now(), question["days"])
    like: str = question["like"]
    return found.with_more_like(like, question["times"]) if like else found
