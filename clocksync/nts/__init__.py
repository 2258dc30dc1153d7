"""Network Time Security for NTP (RFC 8915): keys by TLS, then authenticated NTP.

A client first speaks TLS with an NTS-KE server (:mod:`clocksync.nts.establish`), which proves by
its certificate who it is, and gets keys and eight cookies from it. Each NTP request then spends a
cookie, which tells the time server the keys without its having to remember anybody
(:mod:`clocksync.nts.client`, :mod:`clocksync.nts.server`). The protocol itself is pure; TLS needs
pyOpenSSL, the extra ``nts``, because Python's own ``ssl`` cannot export keying material.
"""

KE_PORT = 4460
ALPN = b"ntske/1"
NTP_PORT = 123
COOKIES = 8
"""How many a client keeps (RFC 8915 section 5.7)."""
