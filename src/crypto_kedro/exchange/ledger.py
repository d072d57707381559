"""The account's books in whole units: cash, BTC, both margin positions, what orders hold, and the loss-cut price.

Everything is an integer (JPY in units of 10**-10, BTC in lots), so no operation loses anything. A partial close
takes the floor of its share of product, fee and interest; the remainder stays in the position.
"""

from crypto_kedro.trading.money import PPM, PRODUCT_UNITS
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.rules import MarketRules

NEVER_BELOW = -1
"""A lower price bound that no market reaches."""
NEVER_ABOVE = 1 << 62
"""An upper bound that no price, amount or time reaches."""


class PositionBook:
    """One margin position; amounts in lots, sums in units of 10**-10 JPY."""

    __slots__ = ("fee", "held", "interest", "is_long", "lots", "product", "side")

    def __init__(self, side: PositionSide) -> None:
        self.side = side
        self.is_long = side.is_long
        self.lots = 0
        self.product = 0
        self.fee = 0
        self.interest = 0
        self.held = 0

    def open(self, lots: int, product: int, fee: int) -> None:
        """Open or enlarge the position; its fee is charged when it closes."""
        self.lots += lots
        self.product += product
        self.fee += fee


class Ledger:
    """Balances and positions of one account.

    Args:
        cash: units of JPY on hand.
        btc_lots: lots of BTC on hand.
    """

    __slots__ = ("btc_held", "btc_lots", "cash", "cash_held", "long", "opening_held", "payable", "short")

    def __init__(self, cash: int, btc_lots: int) -> None:
        self.cash = cash
        self.cash_held = 0
        self.btc_lots = btc_lots
        self.btc_held = 0
        self.payable = 0
        self.opening_held = 0
        self.long = PositionBook(PositionSide.LONG)
        self.short = PositionBook(PositionSide.SHORT)

    @property
    def has_position(self) -> bool:
        """Whether a margin position is open."""
        return self.long.lots > 0 or self.short.lots > 0

    def trade_spot(self, lots: int, product: int, fee: int) -> None:
        """Exchange cash for BTC; negative lots and product are a sale."""
        self.cash -= product + fee
        self.btc_lots += lots
        if self.payable:
            self._settle_debt()

    def close(self, position: PositionBook, lots: int, product: int, fee: int) -> tuple[int, int, int]:
        """Close a part of a position at a product and settle it in cash.

        Returns:
            Fee charged (the opening fee's share plus ``fee``), interest charged, and the net profit or loss.
        """
        whole = lots == position.lots
        cost = position.product if whole else position.product * lots // position.lots
        charged_opening = position.fee if whole else position.fee * lots // position.lots
        interest = position.interest if whole else position.interest * lots // position.lots
        position.lots -= lots
        position.product -= cost
        position.fee -= charged_opening
        position.interest -= interest
        gross = product - cost if position.is_long else cost - product
        charged = charged_opening + fee
        profit = gross - charged - interest
        self.cash += profit
        if self.cash < 0 or self.payable:
            self._settle_debt()
        return charged, interest, profit

    def _settle_debt(self) -> None:
        """Turn a shortfall of cash into debt, and pay debt from cash."""
        net = self.cash - self.payable
        self.cash = max(net, 0)
        self.payable = max(-net, 0)

    def accrue_interest(self, rules: MarketRules) -> None:
        """Charge one night's interest on the opening products."""
        for position in (self.long, self.short):
            if position.lots:
                position.interest += position.product * rules.interest_per_day(position.side).ppm // PPM

    def position_product(self) -> int:
        """Product of both positions at their opening prices."""
        return self.long.product + self.short.product

    def balance_line(self, collateral_ppm: int) -> tuple[int, int]:
        """Return (constant, slope): the margin balance at price p is ``constant + slope * p``.

        Source: bitbank's rule, cash + counted BTC + unrealised P/L - unpaid fees and interest - debt.
        """
        long, short = self.long, self.short
        constant = (
            (self.cash - self.payable - long.product + short.product)
            - (long.fee + short.fee)
            - (long.interest + short.interest)
        )
        counted_btc = self.btc_lots * collateral_ppm * (PRODUCT_UNITS // PPM)
        return constant, (long.lots - short.lots) * PRODUCT_UNITS + counted_btc

    def margin_balance(self, rules: MarketRules, mark_ticks: int) -> int:
        """Margin balance at a price."""
        constant, slope = self.balance_line(rules.crypto_collateral.ppm)
        return constant + slope * mark_ticks

    def available_to_open(self, rules: MarketRules, margin_balance: int) -> int:
        """Product that may still be opened with a margin balance; not below zero."""
        capacity = margin_balance * PPM // rules.initial_margin.ppm
        left = capacity - self.long.product - self.short.product - self.opening_held
        return left if left > 0 else 0

    def is_below(self, ratio_ppm: int, rules: MarketRules, mark_ticks: int) -> bool:
        """Whether the margin ratio at a price is below a fraction; never without a position."""
        return self.margin_balance(rules, mark_ticks) * PPM < ratio_ppm * self.position_product()

    def losscut_bounds(self, rules: MarketRules) -> tuple[int, int]:
        """Return (down, up): the exchange liquidates at a price <= ``down`` or >= ``up``.

        The ratio falls below the threshold where ``PPM * (constant + slope * p) < losscut * product``; the bounds
        are the first whole ticks for which that holds.
        """
        product = self.long.product + self.short.product
        if not product:
            return NEVER_BELOW, NEVER_ABOVE
        constant, slope = self.balance_line(rules.crypto_collateral.ppm)
        largest = rules.losscut.ppm * product - PPM * constant - 1
        if slope > 0:
            return largest // (PPM * slope), NEVER_ABOVE
        if slope < 0:
            return NEVER_BELOW, -(largest // (-PPM * slope))
        return (NEVER_ABOVE, NEVER_ABOVE) if largest >= 0 else (NEVER_BELOW, NEVER_ABOVE)
