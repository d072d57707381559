"""bitbank's class of ccxt without the hundred other exchanges.

ccxt's packages import every exchange when they are first named, which costs a trader 50 MiB and more than half a
second. The packages are named without that for as long as it takes to import this one; whoever imports ccxt later
gets all of it, with the same base classes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE, _ASYNC = "ccxt", "ccxt.async_support"


@contextmanager
def _packages_left_empty() -> Iterator[None]:
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("ccxt is not installed; pip install 'crypto-kedro[trade]'")
    folder = Path(spec.submodule_search_locations[0])
    for name, place in ((_PACKAGE, folder), (_ASYNC, folder / "async_support")):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(place)]
    try:
        # The few names that the modules below take from the package itself.
        base = import_module("ccxt.base.exchange")
        vars(sys.modules[_PACKAGE]).update(vars(import_module("ccxt.base.errors")), Exchange=base.Exchange)
        yield
    finally:
        del sys.modules[_PACKAGE], sys.modules[_ASYNC]


with nullcontext() if _PACKAGE in sys.modules else _packages_left_empty():
    bitbank: Any = import_module("ccxt.async_support.bitbank").bitbank
    BaseError: type[Exception] = import_module("ccxt.base.errors").BaseError
