"""A test exchange that speaks bitbank's wire protocol on loopback, over the matching engine.

From the inside out:

- `bitbank.SimulatedBitbank`: market, account and time, without I/O; fed by a `price_source`, moved by `commands`.
- `running.RunningExchange`: gives it a clock and a memory (`journal`); commands are carried out here and only here.
- `application.build_application`: REST of the public and the private API; takes middleware, the place of faults.
- `events.EventBus`, reached as ``running.now().events``: orders, fills, balances, positions, trades, book and circuit
  breaker as they happen; streams subscribe to it and render with `rendering` and `account_rendering`.
- `private_api.ENDPOINTS`: another private endpoint is one more entry.
- `control` and `command`: the switchboard for tests on another port, and ``kedro bitbank-sim``.
"""
