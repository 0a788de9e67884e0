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
#: A device that an app is on, as SNS names it; and all devices of one app.
_APP = r"arn:[a-z0-9\-]{3,20}:sns:[a-z0-9\-]{5,25}:[0-9]{12}:endpoint/[A-Z_]{2,20}/[A-Za-z0-9_.\-]{1,256}/"
_DEVICE = re.compile(rf"({_APP})[0-9a-f\-]{{36}}", re.ASCII)
_DEVICES = re.compile(rf"({_APP})\*", re.ASCII)
#: Whoever follows a WeChat service account, as that account knows them.
_OPENID = re.compile(r"[A-Za-z0-9_\-]{28}", re.ASCII)
_OPENIDS = re.compile(r"([A-Za-z0-9_\-]{6,27})\*", re.ASCII)  # those of one account begin alike
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Recipients:
    """Addresses, beginnings of numbers and of openids, domains of e-mail, and apps. Empty, it reaches nobody."""

    addresses: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    domains: frozenset[str] = frozenset()
    apps: frozenset[str] = frozenset()
    followers: tuple[str, ...] = ()
    everyone: bool = False

    def include(self, address: str) -> bool:
        """Whether something may be sent to this number (E.164), e-mail address, device or openid. In doubt
        it may not."""
        if self.everyone:
            return True
        if _OPENID.fullmatch(address):
            return address in self.addresses or address.startswith(self.followers or ("*",))
        if address.casefold() in self.addresses:
            return True
        if _NUMBER.fullmatch(address):
            return address.startswith(self.prefixes) if self.prefixes else False
        if _MAIL.fullmatch(address):
            return address.rpartition("@")[2].casefold() in self.domains
        if device := _DEVICE.fullmatch(address):
            return device[1] in self.apps
        return False


#: Production: the law, the borrower's opt-outs and the strategy say who is written to, and no list does.
EVERYONE = Recipients(everyone=True)


def parse_recipients(document: Mapping[str, object]) -> Recipients:
    """`{"recipients": [...]}` as it stands in the secret: `+12065550123`, `+120655501*`, `jo@example.com`,
    `*@example.com`, the ARN of a device's endpoint, or one that ends in `/*` instead of the device, a WeChat
    openid, or at least the six characters that those of one account begin with, and *.

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
    apps: set[str] = set()
    followers: set[str] = set()
    for index, entry in enumerate(entries):
        text = entry if isinstance(entry, str) else ""
        if _NUMBER.fullmatch(text) or _MAIL.fullmatch(text) or _DEVICE.fullmatch(text):
            addresses.add(text.casefold())
        elif _OPENID.fullmatch(text):
            addresses.add(text)  # its capitals count
        elif numbers := _NUMBERS.fullmatch(text):
            prefixes.add(numbers[1])
        elif mails := _MAILS.fullmatch(text):
            domains.add(mails[1].casefold())
        elif openids := _OPENIDS.fullmatch(text):
            followers.add(openids[1])
        elif devices := _DEVICES.fullmatch(text):
            apps.add(devices[1])
        else:
            raise ConfigurationError(
                f"recipients.{index}: must be an E.164 number, at least five characters of one and *, "
                "an e-mail address, or * at a domain, an endpoint's ARN, or * for all of an app, "
                "a WeChat openid, or at least six characters of one and *"
            )
    return Recipients(
        frozenset(addresses), tuple(sorted(prefixes)), frozenset(domains), frozenset(apps), tuple(sorted(followers))
    )
