"""Whom a deployment may reach. Outside production: only who is on its list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dunlin.errors import ConfigurationError

__all__ = ["EVERYONE", "Recipients", "parse_recipients"]

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
#: A prefix has at least five characters: `+1*` would be a country.
_NUMBERS = re.compile(r"(\+[1-9][0-9]{3,13})\*", re.ASCII)
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9\-]{0,62})+"
_MAIL = re.compile(rf"[^@\s*]{{1,64}}@{_DOMAIN}", re.ASCII)
_MAILS = re.compile(rf"\*@({_DOMAIN})", re.ASCII)
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Recipients:
    """Addresses, beginnings of numbers, and domains of e-mail. Empty, it reaches nobody."""

    addresses: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    domains: frozenset[str] = frozenset()
    everyone: bool = False

    def include(self, address: str) -> bool:
        """Whether something may be sent to this number (E.164) or e-mail address. In doubt it may not."""
        if self.everyone:
            return True
        if address.casefold() in self.addresses:
            return True
        if _NUMBER.fullmatch(address):
            return address.startswith(self.prefixes) if self.prefixes else False
        if _MAIL.fullmatch(address):
            return address.rpartition("@")[2].casefold() in self.domains
        return False


#: Production: the law, the borrower's opt-outs and the strategy say who is written to, and no list does.
EVERYONE = Recipients(everyone=True)


def parse_recipients(document: Mapping[str, object]) -> Recipients:
    """`{"recipients": [...]}` as it stands in the secret: `+12065550123`, `+120655501*`, `jo@example.com`,
    `*@example.com`.

    Raises:
        ConfigurationError: naming the entry by its index, and never what it holds.
    """
    if set(document) != {"recipients"}:
        raise ConfigurationError("recipients: must be the only field, and set")
    entries = document["recipients"]
    if not isinstance(entries, list):
        raise ConfigurationError("recipients: must be a list")
    if len(entries) > _MOST:
        raise ConfigurationError(f"recipients: must be at most {_MOST} entries")
    addresses: set[str] = set()
    prefixes: set[str] = set()
    domains: set[str] = set()
    for index, entry in enumerate(entries):
        text = entry if isinstance(entry, str) else ""
        if _NUMBER.fullmatch(text) or _MAIL.fullmatch(text):
            addresses.add(text.casefold())
        elif numbers := _NUMBERS.fullmatch(text):
            prefixes.add(numbers[1])
        elif mails := _MAILS.fullmatch(text):
            domains.add(mails[1].casefold())
        else:
            raise ConfigurationError(
                f"recipients.{index}: must be an E.164 number, at least five characters of one and *, "
                "an e-mail address, or * at a domain"
            )
    return Recipients(frozenset(addresses), tuple(sorted(prefixes)), frozenset(domains))
