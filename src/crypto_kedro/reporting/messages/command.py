"""``kedro try-messages``: does every channel work?"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import click

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.reporting.messages.settings import Channel


@click.command(name="try-messages")
@click.option("--env", "-e", default="paper", show_default=True, help="Environment whose channels are tried.")
@click.pass_context
def try_messages(context: click.Context, env: str) -> None:
    """Send a test message to every channel; exit 1 when one does not take it.

    Example: kedro try-messages --env live
    """
    try:
        channels = _channels(context.obj.project_path, env)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    failures = asyncio.run(try_channels(channels, env, time.time_ns() // 1_000_000))
    for channel, failure in zip(channels, failures, strict=True):
        click.echo(f"{channel.name}: {'arrived' if failure is None else f'FAILED, {failure}'}")
    if any(failure is not None for failure in failures):
        raise SystemExit(1)


async def try_channels(channels: Sequence[Channel], environment: str, at_ms: int) -> tuple[str | None, ...]:
    """Send a test message to each channel, once.

    Args:
        channels: to be tried.
        environment: that the message names.
        at_ms: moment that the message names, Unix milliseconds UTC.

    Returns:
        What went wrong with each of them, None where it has arrived.
    """
    import aiohttp

    from crypto_kedro.reporting.messages.answers import Delivered
    from crypto_kedro.reporting.messages.body import body_of
    from crypto_kedro.reporting.messages.outbox import Batch, Telling
    from crypto_kedro.reporting.messages.sending import send
    from crypto_kedro.reporting.messages.settings import DeliverySettings
    from crypto_kedro.session.notice import Greeting, Notice

    failures = []
    async with aiohttp.ClientSession() as http:
        for channel in channels:
            batch = Batch((Telling(Notice(Greeting(channel.least), at_ms, environment), 1, at_ms),), 0)
            answer = await send(http, channel, body_of(batch, channel), DeliverySettings().timeout_s)
            failures.append(None if isinstance(answer, Delivered) else answer.reason)
    return tuple(failures)


def _channels(project_path: Path, env: str) -> tuple[Channel, ...]:
    from crypto_kedro.credentials import CredentialStore
    from crypto_kedro.parameters import validate_parameters
    from crypto_kedro.project import project_context

    with project_context(project_path, env) as context:
        # Not `context.params`, which imports every pipeline with all training libraries.
        session = validate_parameters(context.config_loader["parameters"]).session
        configured = CredentialStore.read(context.config_loader).webhooks
    channels = () if session is None else session.messages.open_channels(configured)
    if not channels:
        names = "none" if session is None else ", ".join(session.messages.channels) or "none"
        raise ConfigurationError(
            f"messages: no channel of environment {env} has an address (channels: {names}); set "
            "<CHANNEL>_WEBHOOK_URL, such as DISCORD_WEBHOOK_URL, or webhooks in conf/local/credentials.yml"
        )
    return channels
