"""The tree of errors a user can meet; each message names the value, where it came from and what to do."""


class CryptoKedroError(Exception):
    """Root of every error that crypto-kedro raises on purpose."""


class ConfigurationError(CryptoKedroError):
    """A setting is unknown, missing or outside its range."""


class DataError(CryptoKedroError):
    """Market data is damaged, incomplete or cannot be obtained."""


class FeatureError(CryptoKedroError):
    """A feature is missing, extra, out of order, not finite, or of another feature set."""


class LearningError(CryptoKedroError):
    """Training or its judgement cannot be carried out on what was given."""


class LeakageError(LearningError):
    """Information from the future reached the training data."""


class BundleError(CryptoKedroError):
    """A model bundle is incomplete, altered or made for other features."""


class LineageError(CryptoKedroError):
    """A link between a result and where it came from is missing."""


def sentence_of(error: BaseException) -> str:
    """Return one line about an error, the first of a group: the project's own sentence, or the type and text."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    if isinstance(error, CryptoKedroError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
