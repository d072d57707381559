"""Paper money on a real market: an account of the matching engine that meets what bitbank tells everybody.

From the inside out:

- `inputs`: everything an account can meet, as values that can be written down.
- `account_file.AccountFile`: keeps the inputs that mattered, in SQLite.
- `account.PaperAccount`: the engine with its file; starting is recovering.
- `market_reader.MarketReader`: what happened at bitbank since it was looked at last.
- `exchange.PaperExchange`: both together, as a session sees them.
"""
