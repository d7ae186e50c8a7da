"""Everything below the life cycle, wired once: journal, venue, orders, reconciliation."""

from collections.abc import Callable
from dataclasses import dataclass

from trader.journal import Journal, Snapshot
from trader.kill_switch import Latch
from trader.kill_switch.latch import FILE_NAME
from trader.model.orders import total_changes
from trader.model.values import Quote, TradingState
from trader.orders.admission import Admission
from trader.orders.book import OrderBook
from trader.orders.gate import Gate
from trader.orders.manager import OrderManager
from trader.orders.resolution import Resolver
from trader.reconcile import Policy, Reconciler
from trader.service.credentials import Credentials
from trader.service.kill import KillSwitch
from trader.service.paper_account import PaperAccount
from trader.service.pulse import Pulse
from trader.service.settings import Settings
from trader.shadow.paper import PaperVenue
from trader.shipping import Shipper
from trader.shipping.settings import ShippingSettings
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.exchange import VenueAccess
from trader.venue.gateway import Gateway
from trader.venue.interface import Venue
from trader.venue.whole_account import Account, WholeAccount


@dataclass(slots=True)
class Stack:
    """The parts of one host's service; make one with `build`.

    Args:
        gateway: the connection to the real venue; its public side alone in the modes paper and shadow.
        venue: who takes our orders: the gateway, or the paper account.
        paper: the paper account, where there is one.
        account: all open orders of that venue, as a kill sees them.
        snapshot: what the journal held at the start.
    """

    settings: Settings
    metrics: Metrics
    events: Events
    gate: Gate
    journal: Journal
    snapshot: Snapshot
    latch: Latch
    kill_switch: KillSwitch
    gateway: Gateway
    venue: Venue
    paper: PaperVenue | None
    account: Account
    admission: Admission
    manager: OrderManager
    resolver: Resolver
    reconciler: Reconciler
    shipper: Shipper

    def begin_day(self) -> None:
        """Take up the day's P&L where the journal left it; the instruments must be known."""
        if self.admission.day is None:
            snapshot = self.snapshot
            self.admission.begin_day(snapshot.day, snapshot.fills_after_day, snapshot.payments_after_day)

    def heard(self, quote: Quote) -> None:
        """A new quote: what it means for values and on paper, before anybody decides by it."""
        self.admission.quotes[quote.symbol] = quote
        if self.paper is not None:
            self.paper.on_quote(quote)


def build(
    settings: Settings,
    credentials: Credentials,
    release_id: str,
    metrics: Metrics,
    events: Events,
    gate_changed: Callable[[TradingState, dict[str, str]], None],
) -> Stack:
    """Open the journal and the latch, and wire the rest; nothing is sent yet.

    Raises:
        JournalError, LatchError: the files cannot be used.
        ValueError: the settings do not go together with the venue; one line that names the key.
    """
    gateway = Gateway(access(settings, credentials), list(settings.symbols), metrics, events)
    journal = Journal.open(settings.journal.path, settings.host, settings.account, settings.epoch, release_id)
    snapshot = journal.snapshot()
    folder = settings.journal.path.parent
    latch = Latch.load(folder / FILE_NAME, snapshot.traded, settings.latch.textfiles)
    gate = Gate(gate_changed, "not reconciled yet", lambda: kill_switch.why())
    gateway.wire.halted = lambda: gate.halted
    kill_switch = KillSwitch(
        latch, journal, gate, metrics, events, Pulse(), settings.kill_switch.heartbeat_seconds
    )
    paper = None if settings.mode == "live" else _paper(settings, gateway, snapshot)
    venue: Venue = gateway if paper is None else paper
    book = OrderBook()
    admission = Admission(settings.risk, book, venue.instruments, gate, metrics, events)
    manager = OrderManager(journal, venue, book, admission, gate, metrics, events)
    resolver = Resolver(manager, venue, metrics, events)
    manager.unproven = resolver.start
    if paper is not None:
        paper.report, paper.fill = manager.report, manager.fill
    policy = Policy(
        settings.host,
        settings.epoch,
        settings.reconcile.foreign_orders == "cancel",
        settings.reconcile.old_epoch_orders == "cancel",
    )
    reconciler = Reconciler(
        journal, snapshot, venue, manager, resolver, admission.valuation, policy, metrics, events
    )
    # Paper moves no money, and the vault has one journal of a host: that of its account.
    shipping = settings.shipping if settings.mode == "live" else ShippingSettings()
    shipper = Shipper(shipping, settings.journal.path, journal, gate, metrics, events)
    if shipper.strict:
        manager.copied = shipper.copied
    account: Account = WholeAccount(gateway.exchange) if paper is None else PaperAccount(paper, manager)
    return Stack(
        settings, metrics, events, gate, journal, snapshot, latch, kill_switch, gateway, venue, paper,
        account, admission, manager, resolver, reconciler, shipper,
    )  # fmt: skip


def _paper(settings: Settings, gateway: Gateway, snapshot: Snapshot) -> PaperVenue:
    """The paper account as the journal has left it."""
    start = settings.paper.balances if snapshot.baseline is None else snapshot.baseline
    balances = total_changes([dict(start), snapshot.changes])
    return PaperVenue(
        gateway, settings.paper, balances, snapshot.positions, snapshot.orders, snapshot.cursors
    )


def access(settings: Settings, credentials: Credentials) -> VenueAccess:
    """How the venue is reached, by the settings."""
    return VenueAccess(
        id=settings.venue.id,
        hostname=settings.venue.hostname,
        ca_file=settings.venue.ca_file,
        recv_window_ms=settings.venue.recv_window_ms,
        timeout_ms=settings.venue.timeout_ms,
        api_key=credentials.api_key,
        api_secret=credentials.api_secret,
        passphrase=credentials.passphrase,
        host=settings.host,
        options=settings.venue.ccxt_options,
        order_entry=settings.mode == "live" and settings.venue.order_entry == "websocket",
        state_folder=settings.journal.path.parent,
    )
