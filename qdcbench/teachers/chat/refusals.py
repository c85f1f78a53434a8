"""What a server meant: one response or one error of the connection, read as a reply or as a fault with a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from qdcbench.api import Reply, Request
from qdcbench.errors import did_you_mean
from qdcbench.teachers.chat.endpoint import BadAnswer, Endpoint, is_plain, read_answer
from qdcbench.teachers.chat.quotes import quoted, words_of
from qdcbench.teachers.chat.retry import LONGEST_WAIT, Fault, retry_after, worth_retrying
from qdcbench.teachers.ledger.transaction import NOT_SENT

__all__ = ["Listener"]

_NEVER_SENT = (
    aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError,
)  # fmt: skip

_PLAIN = (
    "this method sends plain text to continue, so the server needs /completions beside its chat; use another server "
    "or a model in this process (local:...)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """Reads what comes back from one endpoint; keeps its key out of every sentence."""

    endpoint: Endpoint
    key: str = field(repr=False)

    def answer(self, content: bytes, request: Request) -> Reply | Fault:
        """Read a body with status 200."""
        try:
            return read_answer(content, request)
        except BadAnswer as error:
            said = words_of(content, self.key)
            sentence = f"{error} ({said})" if said else f"{error}; check base_url and the server's log"
            prompt, completion = error.used or (0, 0)
            return Fault(
                outcome="unusable answer", sentence=sentence, retry=True, prompt_tokens=prompt,
                completion_tokens=completion, silent=error.used is None,
            )  # fmt: skip

    def refusal(self, status: int, headers: Mapping[str, str], content: bytes, request: Request) -> Fault:
        """Read a response with another status; by our rule nothing is charged for it."""
        said, outcome = words_of(content, self.key), f"status {status}"
        told = outcome + (f" ({said})" if said else "")
        if worth_retrying(status):
            wait = retry_after(headers)
            if wait > LONGEST_WAIT:
                sentence = f"{told} and asks to wait {wait:.0f} s, so its quota is spent; run again later"
                return Fault(outcome=outcome, sentence=sentence, retry=False)
            advice = "see the server's log" if status == 500 else "lower concurrency or run again later"
            return Fault(outcome=outcome, sentence=f"{told}; {advice}", retry=True, wait=wait)
        name = self.endpoint.api_key_env
        if status == 401:
            # The server's words are left out: some quote the key they refuse.
            advice = f"replace the key in the variable {name}" if self.key else f"export the key as {name}"
            told = f"status 401, the key is missing or wrong; {advice}"
        elif status == 403:
            told += f"; the key in {name} may not use this model"
        elif status in {404, 405, 501} and is_plain(request):
            told += f"; {_PLAIN}"
        elif 300 <= status < 400:
            told += "; that is a redirect, put the final address into base_url"
        return Fault(outcome=outcome, sentence=told, retry=False, named=status in {400, 404})

    def broken(self, error: Exception, *, answered: bool) -> Fault:
        """Read an error of the connection; ``answered`` says that the server has answered before."""
        reason = quoted(str(error), self.key) or type(error).__name__
        if isinstance(error, _NEVER_SENT):
            # Before its first answer a server that cannot be reached is misconfigured; after it, restarting.
            sentence = f"it cannot be reached ({reason}); start the server or correct base_url"
            return Fault(outcome=NOT_SENT, sentence=sentence, retry=answered)
        if isinstance(error, TimeoutError):
            sentence = f"no answer came within {self.endpoint.timeout:g} s; raise timeout or lower concurrency"
            return Fault(outcome="timed out", sentence=sentence, retry=True, silent=True)
        sentence = f"the connection broke ({reason}); see the server's log"
        return Fault(outcome="connection broken", sentence=sentence, retry=True, silent=True)

    def model_advice(self, listed: Sequence[str] | None) -> str:
        """Return a clause on the model's name, from the server's own list where it has one."""
        if listed is None:
            return "check base_url (it usually ends in /v1) and the model's name"
        if not listed or self.endpoint.model in listed:
            return "check the options of the teacher"
        advice = quoted(did_you_mean(self.endpoint.model, listed), self.key)
        return f"the server does not list the model {self.endpoint.model!r}, {advice}"
