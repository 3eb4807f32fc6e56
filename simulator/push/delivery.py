"""Calls subscribers: verifies new callback URLs and sends signed messages with retries.

Documented: ``GET callback_url?mode=subscribe&challenge=...`` must return 200 with the challenge as the body. Messages
are signed as requests are: method, absolute URI, raw body and timestamp, with the seller's secret.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx

from simulator.api import Seller
from simulator.call_context import Callback
from simulator.clock import read_clocks
from simulator.journal import Recorder
from simulator.push.subscriptions import PushMessage, Subscriptions
from simulator.signature import sign

_UNHEARD: Final = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)
_AT_ONCE: Final = 20  # messages being sent concurrently
_USER_AGENT: Final = "marketplace-push/1.0"


class Pusher:
    """Sends push messages. Bound to one event loop. ``stop`` cancels the messages being sent, ``close`` closes the
    HTTP client; both may be called twice."""

    def __init__(self, subscriptions: Subscriptions, sellers: Mapping[str, Seller], recorder: Recorder) -> None:
        self._subscriptions = subscriptions
        self._sellers = sellers
        self._recorder = recorder
        self._under_way: set[asyncio.Task[None]] = set()
        self._http: httpx.AsyncClient | None = None
        self._is_stopped = False

    async def verify(self, callback: Callback) -> None:
        """Sends the challenge to the callback URL and sets ``callback.is_verified``."""
        address = httpx.URL(callback.url).copy_merge_params({"mode": "subscribe", "challenge": callback.challenge})
        try:
            answer = await asyncio.wait_for(self._client().get(address), self._subscriptions.terms.verify_within_s)
        except _UNHEARD:
            return
        callback.is_verified = answer.status_code == 200 and answer.text == callback.challenge

    def send_due(self) -> None:
        """Starts sending the messages that are due. Call it periodically."""
        if self._is_stopped:
            return
        for push in self._subscriptions.due(read_clocks().mono_us, _AT_ONCE - len(self._under_way)):
            task = asyncio.get_running_loop().create_task(self._send(push))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def stop(self) -> None:
        """Stops sending and cancels the messages being sent."""
        self._is_stopped = True
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _send(self, push: PushMessage) -> None:
        status = await self._post(push)
        self._recorder.push(self._subscriptions.answered(push, status, read_clocks().mono_us))

    async def _post(self, push: PushMessage) -> int:
        """Returns the status of the response; 0 = no response in time."""
        url, timestamp = push.subscription.callback_url, str(push.timestamp_s)
        secret = self._sellers[push.subscription.seller].secret_key
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
            "Shop-Timestamp": timestamp,
            "Shop-Signature": sign(secret, "POST", url, push.body, timestamp),
        }
        try:
            answer = await asyncio.wait_for(
                self._client().post(url, content=push.body, headers=headers), self._subscriptions.terms.answer_within_s
            )
        except _UNHEARD:
            return 0
        return answer.status_code

    def _client(self) -> httpx.AsyncClient:
        """Returns the client, created on first use: most simulators have no subscribers."""
        if self._http is None:
            self._http = httpx.AsyncClient(trust_env=False, timeout=self._subscriptions.terms.verify_within_s)
        return self._http
