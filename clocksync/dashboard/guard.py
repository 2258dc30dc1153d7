"""What the page's server lets in, and what it says with every answer. Pure.

A page of somebody else's, open in the same browser, may send requests here. It cannot read the
answers (no answer allows another origin), unless its *name* is made to point at us: DNS rebinding.
So a request must name us by a number, as localhost, or as a name that we were told is ours: no
stranger's name points here then.

Where input is taken (the playground), a request must come from our own page besides: see
:func:`refusal_of_input`.
"""

from collections.abc import Mapping

from clocksync.runtime.addresses import is_loopback, is_numeric

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def is_ours(host: str, names: frozenset[str] = frozenset()) -> bool:
    """Whether a Host header names this server.

    Args:
        names: besides numbers and localhost, in lower case.

    >>> [is_ours(host) for host in ("127.0.0.1:8765", "localhost", "[::1]:8765")]
    [True, True, True]
    >>> [is_ours(host) for host in ("evil.example:8765", "", "localhost.evil.example")]
    [False, False, False]
    """
    if host.startswith("["):
        name, closed, _ = host[1:].partition("]")
        if not closed:
            return False
    else:
        name = host.rpartition(":")[0] if ":" in host else host
    name = name.lower().removesuffix(".")
    return name == "localhost" or name in names or is_numeric(name)


INPUT_BYTES_MAX = 2_000
"""More is no click."""


def refusal_of_input(headers: Mapping[str, str]) -> tuple[int, str] | None:
    """Why a POST is not taken: a status and a line; None: it comes from our own page, or from a
    program of this machine's user, which says nothing of an origin.

    Browsers add Origin to every POST, and no page can forge it. JSON's content type is one that a
    form cannot have, and a script of elsewhere only after asking us, which we never allow.

    Args:
        headers: of the request, names in lower case.

    >>> json = {"content-type": "application/json", "content-length": "2"}
    >>> json["host"] = "127.0.0.1:8766"
    >>> refusal_of_input(json | {"origin": "http://127.0.0.1:8766"})
    >>> refusal_of_input(json | {"origin": "http://127.0.0.1:9999"})
    (403, 'this comes from another page')
    """
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin", f"http://{headers.get('host', '')}")
    if site != "same-origin" or origin.lower() != f"http://{headers.get('host', '')}".lower():
        return 403, "this comes from another page"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, "input is application/json"
    size = headers.get("content-length", "")
    if not (size.isascii() and size.isdigit()):
        return 411, "input says how long it is"
    if len(size) > 9 or int(size) > INPUT_BYTES_MAX:
        return 413, f"input has at most {INPUT_BYTES_MAX} bytes"
    return None


def is_private(bind: str) -> bool:
    """Whether only this machine reaches what is bound there.

    >>> is_private("127.0.0.1"), is_private("::1"), is_private("localhost")
    (True, True, True)
    >>> is_private("0.0.0.0"), is_private("10.0.0.1"), is_private("host1")
    (False, False, False)
    """
    return bind == "localhost" or is_loopback(bind)
