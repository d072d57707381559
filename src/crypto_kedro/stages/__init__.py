"""The stages of research: what each stored result was made of, compared before the next stage works on it."""

from crypto_kedro.stages.hooks import StageHooks
from crypto_kedro.stages.origin import Origin

__all__ = ["Origin", "StageHooks"]
