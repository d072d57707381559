"""One request to a webhook; its address never leaves this module in an error."""

import json

import aiohttp

from crypto_kedro.reporting.messages.answers import Answer, Later, judge
from crypto_kedro.reporting.messages.body import Body
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind


async def send(http: aiohttp.ClientSession, channel: Channel, body: Body, timeout_s: float) -> Answer:
    """Send a message once and return what its answer means; no answer at all is `Later`.

    Args:
        http: connections to use.
        channel: where it goes.
        body: the message.
        timeout_s: how long an answer is waited for.
    """
    try:
        async with http.post(
            channel.address.url,
            # Without it Discord answers before it has kept the message.
            params={"wait": "true"} if channel.kind is ChannelKind.DISCORD else None,
            data=_form(body) if body.files else None,
            json=None if body.files else body.payload,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            return judge(response.status, response.headers, await response.text(errors="replace"))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Later(type(error).__name__)


def _form(body: Body) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("payload_json", json.dumps(body.payload), content_type="application/json")
    for number, (name, picture) in enumerate(body.files):
        form.add_field(f"files[{number}]", picture, filename=name, content_type="image/png")
    return form
