"""The HTTP session of a chat teacher: a pool of persistent connections, a key, perhaps a proxy."""

import asyncio
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from qdcbench.errors import ConfigError
from qdcbench.teachers.chat.endpoint import Endpoint

__all__ = ["listed_models", "open_session"]

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a server, and to list its models for an error sentence."""

KEEP_ALIVE = 60.0
"""Seconds for which an idle connection is kept."""


def open_session(endpoint: Endpoint, key: str) -> aiohttp.ClientSession:
    """Return a session with a pool of persistent connections, a little larger than the workers need.

    Raises:
        ConfigError: the environment names a proxy that is none.
    """
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=endpoint.concurrency + 2, keepalive_timeout=KEEP_ALIVE),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_TIMEOUT, endpoint.timeout)),
        proxy=_proxy_of(endpoint),
    )


def _proxy_of(endpoint: Endpoint) -> URL | None:
    """Return the proxy that the environment names, looked up once; never one for this machine.

    The session's own ``trust_env`` would look again at each request, and take a password from ~/.netrc for our key.
    """
    address = urlsplit(endpoint.base_url)
    named = getproxies().get(address.scheme, "")
    if endpoint.local or not named or proxy_bypass(address.hostname or ""):
        return None
    try:
        proxy = URL(named)
        usable = proxy.scheme in {"http", "https"} and bool(proxy.host)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"the variable {address.scheme}_proxy names no proxy such as http://proxy.example:3128; correct it, or put "
            f"{address.hostname} into no_proxy"
        )
    return proxy


async def listed_models(http: aiohttp.ClientSession, endpoint: Endpoint) -> list[str] | None:
    """Return the models that a server lists, None where it does not say."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            async with http.get(f"{endpoint.base_url}/models", allow_redirects=False) as response:
                listed = await response.json(content_type=None)
        return [str(model["id"]) for model in listed["data"]]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None
