"""Keeps strangers out of a group: every datagram encrypted and authenticated, nothing replayed.

::

    sealer = Sealer(read("group.key"), cluster, me, os.urandom(16), os.urandom)
    sealer.greet(peer, now_ns)                  # once for each peer; then, after every turn:
    for peer, datagram in sealer.take_outgoing(): ...
    datagram = sealer.seal(kind, body)
    opened = sealer.open(datagram, now_ns)      # (sender, kind, body), None, or MalformedFrame

:mod:`~clocksync.security.sealer` seals and opens, :mod:`~clocksync.security.handshake` decides
whom to believe, :mod:`~clocksync.security.keys` reads and writes key files,
:mod:`~clocksync.security.plain` is the same interface without protection. ``docs/security.md`` says
who is kept out and who is not. Nothing is imported here, so that ``--help`` does not load a cipher.
"""
