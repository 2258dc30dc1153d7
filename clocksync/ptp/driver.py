"""PTP's two ports on one interface, as a socket driver.  [I/O]

Event messages (Sync, Delay_Req) use port 319 and are stamped; general ones (Announce, Follow_Up,
Delay_Resp) port 320. Both are opened on the address by which the master is reached, and beside
each an ear for the multicast groups of the interface; nothing listens on other interfaces.
"""

import errno
import socket
from collections.abc import Callable

from clocksync.ptp.codec import PtpCodec
from clocksync.ptp.place import EVENT_PORT, GENERAL_PORT
from clocksync.ptp.survey import PtpSurvey
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import error_words, listening, sockaddr
from clocksync.runtime.udp import StampClock, UdpDriver

GROUPS = {socket.AF_INET: "224.0.1.129", socket.AF_INET6: "ff0e::181"}
"""Of all messages but those of the peer delay mechanism (Annexes C and D)."""
PEER_GROUPS = {socket.AF_INET: "224.0.0.107", socket.AF_INET6: "ff02::6b"}
_SO_BINDTODEVICE = 25  # asm-generic/socket.h


class PtpDriver(UdpDriver):
    """Runs a survey of masters of one IP family behind one interface.

    Raises:
        BadConfig: a port or a group is not to be had; the message is one line.
    """

    core: PtpSurvey

    def __init__(
        self,
        interface: str,
        own: str,
        *,
        on_event: Callable[[object], None] | None = None,
        clock: StampClock | None = None,
        kernel_stamps: bool = True,
    ) -> None:
        super().__init__(
            PtpSurvey(),
            PtpCodec(),
            on_event=on_event,
            clock=clock,
            listen=(own, EVENT_PORT),
            kernel_stamps=kernel_stamps,
        )
        self.family = family_of(own)
        self.group: Address = (GROUPS[self.family], EVENT_PORT)
        try:
            self._watched(listening((own, GENERAL_PORT)), self.family)
            self.join(self.group, interface)
            self.join((self.group[0], GENERAL_PORT), interface)
            scope = f"%{interface}" if self.family == socket.AF_INET6 else ""
            self.join((PEER_GROUPS[self.family] + scope, EVENT_PORT), interface)
        except BadConfig:
            self.close()
            raise


def family_of(address: str) -> socket.AddressFamily:
    """The family of a numeric address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def check(interface: str) -> None:
    """Raise :class:`BadConfig` unless PTP can be heard by that interface."""
    try:
        socket.if_nametoindex(interface)
    except OSError:
        raise BadConfig(f"there is no interface {interface!r} here: see `ip link`") from None
    for port in (EVENT_PORT, GENERAL_PORT):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode())
                sock.bind(("", port))
            except PermissionError:
                raise BadConfig(
                    f"PTP needs ports {EVENT_PORT} and {GENERAL_PORT}, which are not permitted:"
                    " run as root or grant CAP_NET_BIND_SERVICE"
                ) from None
            except OSError as error:
                raise BadConfig(_no_port(port, error)) from None


def _no_port(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"PTP needs port {port}, which is in use: another program speaks PTP here"
            " (ptp4l?); stop it, or listen by another interface"
        )
    return f"PTP needs port {port}: {error_words(error)}"


def own_address(host: str, interface: str) -> str:
    """The address of ours by which a numeric `host` is reached through `interface`; a link-local
    one with its scope.

    Raises:
        OSError: it is not reached through that interface.
    """
    scoped = f"{host}%{interface}" if host.lower().startswith("fe80:") else host
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode())
        sock.connect(sockaddr((scoped, EVENT_PORT)))
        name: str = sock.getsockname()[0].partition("%")[0]
    return f"{name}%{interface}" if name.lower().startswith("fe80:") else name
