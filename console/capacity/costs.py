"""What a design costs."""

from console.capacity.catalog import Prices, Speeds
from console.capacity.designs import Design, Plan
from console.capacity.outcome import Outcome

DAYS_PER_MONTH = 365 / 12


def per_month(
    design: Design, outcome: Outcome, plan: Plan, speeds: Speeds, prices: Prices
) -> dict[str, float]:
    """US dollars, by what for. Message charges of the platforms are the same everywhere and left out."""
    turns = outcome.turns * DAYS_PER_MONTH
    hours = prices.hours_per_month
    costs = {}
    if design.box:
        box_hours = outcome.box_hours / 24 * hours
        name = "LLM boxes" if design.is_serverless else "Servers"
        costs[name] = box_hours * prices.boxes_per_hour[design.box]
    else:
        read = speeds.prompt_tokens + speeds.question_tokens
        request = read * prices.hosted_per_input_token + speeds.answer_tokens * prices.hosted_per_output_token
        costs["Hosted LLM"] = turns * plan.requests_per_turn * request
    if design.is_serverless:
        messages = turns * plan.messages_per_turn
        costs["Functions"] = messages * prices.functions_per_message + turns * prices.functions_per_turn
        costs["Queues"] = turns * prices.queues_per_turn
    costs["Database"] = prices.database(plan.peak_turns_per_second).per_hour * hours
    network = prices.serverless_per_hour if design.is_serverless else prices.servers_per_hour
    costs["Network"] = network * hours
    return costs
