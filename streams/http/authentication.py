"""Authentication of requests with secrets that may change while the process runs."""

from base64 import b64encode
from collections.abc import Callable, Generator
from http import HTTPStatus

import httpx

from streams.errors import RegistryDenied
from streams.http.oauth import OAuthTokens, is_token


class RereadBasicAuth(httpx.Auth):
    """User and password, which are read for each request."""

    def __init__(self, user: Callable[[], str], password: Callable[[], str]) -> None:
        self._user = user
        self._password = password

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        pair = f"{self._user()}:{self._password()}".encode()
        request.headers["Authorization"] = f"Basic {b64encode(pair).decode('ascii')}"
        yield request


class RereadBearerAuth(httpx.Auth):
    """A bearer token, which is read for each request."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._token()
        if not is_token(token):  # the HTTP library would repeat it in its error
            raise RegistryDenied(
                "the bearer token of the schema registry has characters that no token has. Remedy: write it on one "
                "line of token_file in [registry], and nothing else"
            )
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class OAuthBearerAuth(httpx.Auth):
    """Access tokens of a token endpoint. A token that is refused is replaced once."""

    def __init__(self, tokens: OAuthTokens) -> None:
        self._tokens = tokens

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._tokens.current()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._tokens.discard(token)
            request.headers["Authorization"] = f"Bearer {self._tokens.current()}"
            yield request
