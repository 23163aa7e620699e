"""The platforms that the simulator shows, in the order of its page."""

from tests.fakes.simulator.platforms.base import Simulated
from tests.fakes.simulator.platforms.pages import SimulatedInstagram, SimulatedMessenger
from tests.fakes.simulator.platforms.slack import SimulatedSlack
from tests.fakes.simulator.platforms.telegram import SimulatedTelegram
from tests.fakes.simulator.platforms.twilio import SimulatedTwilio
from tests.fakes.simulator.platforms.whatsapp import SimulatedWhatsApp

PLATFORMS: tuple[type[Simulated], ...] = (
    SimulatedWhatsApp,
    SimulatedMessenger,
    SimulatedInstagram,
    SimulatedTelegram,
    SimulatedSlack,
    SimulatedTwilio,
)
