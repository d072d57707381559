"""Parameters of a trading session."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.parameters.group import ParameterGroup
from crypto_kedro.parameters.messages import MessageParameters
from crypto_kedro.session.lease import LeaseTerms
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.paper_evidence import PaperRule
from crypto_kedro.session.waking import Mode, TraderTerms

if TYPE_CHECKING:
    from crypto_kedro.exchange.bitbank.settings import BitbankSettings

CHALLENGER = "challenger"
_REHEARSAL = "rehearsal"


class SimulatorParameters(ParameterGroup):
    """The exchange that runs inside the session; see docs/simulator.md."""

    data: str = "synthetic"
    start: str | None = None
    seed: int = Field(default=1, ge=0)
    speed: float = Field(default=1.0, gt=0.0, le=60.0)
    cash_jpy: int = Field(default=100_000, ge=1)


class BitbankParameters(ParameterGroup):
    """Where bitbank is spoken to; another exchange that speaks its protocol is only rehearsed with."""

    public: str = "https://public.bitbank.cc"
    private: str = "https://api.bitbank.cc"
    stream: str = "https://stream.bitbank.cc"
    private_stream: str = "https://ps.pndsn.com"

    def settings(self) -> "BitbankSettings":
        """Return the settings as the connector takes them.

        Raises:
            ConfigurationError: an address may not be spoken to.
        """
        # The connector's package costs a second; whoever only reads parameters does without.
        from crypto_kedro.exchange.bitbank.settings import BitbankSettings

        return BitbankSettings(
            public_url=self.public,
            private_url=self.private,
            stream_url=self.stream,
            private_stream_url=self.private_stream,
        )


class FaceParameters(ParameterGroup):
    """The trader's HTTP face; its token is a credential."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    open_reading: bool | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_data_age_minutes: float = Field(default=17.0, gt=0.0)
    max_cycle_age_minutes: float = Field(default=10.0, gt=0.0)


class LeaseParameters(ParameterGroup):
    """The lease of the one trader; see `LeaseTerms`. A bucket keeps it for traders on several machines."""

    bucket: str | None = Field(default=None, min_length=1)
    object: str | None = Field(default=None, min_length=1)
    wait_s: float = Field(default=0.0, ge=0.0)
    ttl_s: float | None = Field(default=None, gt=0.0)
    margin_s: float = Field(default=7.0, gt=0.0)
    renew_every_s: float | None = Field(default=None, gt=0.0)

    @model_validator(mode="after")
    def _object_lies_in_a_bucket(self) -> Self:
        if self.object is not None and self.bucket is None:
            raise ValueError("session.lease.object is set without session.lease.bucket; name the bucket, or remove it")
        return self

    def terms(self) -> LeaseTerms:
        """Return the terms as the room takes them; a lease in a bucket is renewed less often, as each write costs."""
        ttl_s, renew_every_s = (20.0, 4.0) if self.bucket is None else (60.0, 15.0)
        return LeaseTerms(
            ttl_ms=round((self.ttl_s or ttl_s) * 1000),
            margin_ms=round(self.margin_s * 1000),
            renew_every_ms=round((self.renew_every_s or renew_every_s) * 1000),
        )


class PaperRuleParameters(ParameterGroup):
    """What paper trading must have shown before a capital stage; see `PaperRule`."""

    stage: int = Field(ge=1)
    min_days: int = Field(ge=0)
    min_trades: int = Field(ge=0)
    max_drawdown: float = Field(gt=0.0, le=1.0)

    def rule(self) -> PaperRule:
        """Return the rule as the room takes it."""
        return PaperRule(**self.model_dump())


class SessionParameters(ParameterGroup):
    """How a session trades and what it is shown by; absent where nothing is traded."""

    environment: Literal["paper", "live"]
    exchange: Literal["simulator", "bitbank"]
    models: tuple[str, ...] = Field(min_length=1)
    mode: Mode = Mode.LOOP
    minutes: float | None = Field(default=None, gt=0.0)
    armed: bool = False
    accept_tighter_limits: bool = False
    funding_stage: int = Field(default=1, ge=1)
    foreign_orders: ForeignOrders = ForeignOrders.RESPECT
    protect_every_s: float = Field(default=30.0, gt=0.0)
    publish_s: float = Field(default=0.5, gt=0.0)
    retry_s: float = Field(default=1.0, gt=0.0)
    stream_pause_s: float = Field(default=0.25, gt=0.0)
    lease: LeaseParameters = LeaseParameters()
    face: FaceParameters | None = None
    messages: MessageParameters = MessageParameters()
    simulator: SimulatorParameters | None = None
    bitbank: BitbankParameters = BitbankParameters()
    paper_cash_jpy: int = Field(default=100_000, ge=1)
    paper_rules: tuple[PaperRuleParameters, ...] = ()

    @model_validator(mode="after")
    def _models_and_exchange_fit(self) -> Self:
        """A challenger has passed no gate: it may play, nothing else."""
        if self.exchange == "simulator" and self.environment == "live":
            raise ValueError("session.exchange is simulator, which takes paper money alone; use exchange bitbank")
        if self.exchange == "simulator" and self.simulator is None:
            raise ValueError("session.exchange is simulator; add the group session.simulator")
        if not self.tradable_models or (self.environment == "live" and CHALLENGER in self.models):
            raise ValueError("session.models names the challenger, which only the simulator may trade; remove it")
        return self

    @property
    def tradable_models(self) -> tuple[str, ...]:
        """The aliases that may trade on the exchange; on a real market a challenger is passed over."""
        if self.exchange == "simulator":
            return self.models
        return tuple(alias for alias in self.models if alias != CHALLENGER)

    @property
    def folder_name(self) -> str:
        """Name of the folder of the session's files; play, rehearsal and earnest never share a journal.

        Raises:
            ConfigurationError: an address of bitbank may not be spoken to.
        """
        if self.exchange == "simulator":
            return "simulator"
        return self.environment if self.bitbank.settings().is_bitbank else f"{self.environment}-{_REHEARSAL}"

    def trader_terms(self, environment: str) -> TraderTerms:
        """Return the trader's terms as the room takes them."""
        return TraderTerms(
            environment=environment,
            protect_every_ms=round(self.protect_every_s * 1000),
            publish_ms=round(self.publish_s * 1000),
            retry_ms=round(self.retry_s * 1000),
            stream_pause_ms=round(self.stream_pause_s * 1000),
        )

    def rule_of_stage(self) -> PaperRule | None:
        """Return what paper trading must have shown for the stage, None when nothing is said of it."""
        return next((rule.rule() for rule in self.paper_rules if rule.stage == self.funding_stage), None)

    @property
    def lasts_ms(self) -> int | None:
        """How long the session lasts in milliseconds of its clock; None is until it is stopped."""
        return None if self.minutes is None else round(self.minutes * MINUTE_MS)
