"""What the LLM's tokens cost, by the prices in the settings: an estimate."""

from dataclasses import dataclass

from django.conf import settings

from console.dashboards.figures import Figures


@dataclass(frozen=True)
class Price:
    """US dollars for 1,000 tokens that the LLM reads, and that it writes."""

    prompt: float
    completion: float

    @property
    def is_set(self) -> bool:
        return bool(self.prompt or self.completion)

    def of(self, figures: Figures) -> float:
        """US dollars for all that the LLM read and wrote."""
        return (figures.prompt_tokens * self.prompt + figures.completion_tokens * self.completion) / 1000


def price() -> Price:
    """What ops have set."""
    return Price(settings.PROMPT_TOKENS_PRICE, settings.COMPLETION_TOKENS_PRICE)


def dollars(amount: float) -> str:
    """$12.34, and small amounts to two digits that tell something: $0.00042."""
    if amount >= 0.1 or not amount:
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= 0.0001 else "< $0.0001"
