"""No network: a Python process with this guard reaches nothing but itself.

The guard is an audit hook: it sees every socket of the process, whichever library
opens it, and nothing can take it away again. What is not Python (a browser, say) is
out of its sight.
"""

import ipaddress
import socket
import sys

LOOKS_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
REACHES_OUT = {"socket.connect", "socket.sendto", "socket.sendmsg"}
INTERNET = {socket.AF_INET, socket.AF_INET6}


class NetworkBlocked(RuntimeError):
    """Not an OSError: code that shrugs off a missing network shall still be seen."""


def is_this_machine(host) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _guard(event, arguments):
    if event in LOOKS_UP:
        host = arguments[0]
    elif event in REACHES_OUT:
        connection, address = arguments[0], arguments[1]
        if connection.family not in INTERNET or address is None:
            return
        host = address[0]
    else:
        return
    if not is_this_machine(host):
        raise NetworkBlocked(
            f"{event} to {host!r}: tests and notebooks work without a network. "
            "Ship the data, or generate it."
        )


def install() -> None:
    """Guard this process from now on."""
    # Loaded twice (by Python's start and by a test run), it must guard once.
    if not getattr(sys, "_llmlab_network_guard", False):
        sys._llmlab_network_guard = True
        sys.addaudithook(_guard)
