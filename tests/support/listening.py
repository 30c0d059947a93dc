"""Où écoutent des programmes."""

import contextlib
from collections.abc import Iterable

import psutil


def addresses(programs: Iterable[psutil.Process]) -> set[tuple[str, str]]:
    """(nom du programme, adresse) de ce qu'ils ouvrent, eux et ceux qu'ils ont lancés, à cet
    instant.
    """
    found = set()
    for program in programs:
        with contextlib.suppress(psutil.NoSuchProcess):  # fini entre-temps
            for each in (program, *program.children(recursive=True)):
                heard = [
                    opened.laddr.ip
                    for opened in each.net_connections("inet")
                    if opened.status == psutil.CONN_LISTEN
                ]
                found |= {(each.name(), ip) for ip in heard}
    return found
