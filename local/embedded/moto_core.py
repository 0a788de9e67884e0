"""Changes to moto's core and to botocore: virtual time, seeded identifiers, and some short cuts.

| what | moto, botocore | here | why |
|---|---|---|---|
| time | the machine's | the virtual clock | time-stamps, visibility and delays belong to the run |
| identifiers | random | from the seed | same seed, same bytes |
| finding a URL's handler | some hundred patterns, a table rebuilt each time | remembered | a third of a call |
| signing | real SigV4 | a constant header that names the region | moto never checks it; half a millisecond a call |
| user agent, list of operations | made for each call | made once | the same each time |
| models of services | read for each new session | read once | a cold start is a session; a tenth of a second each |
"""

from __future__ import annotations

import random
import re
import sys
import types
import uuid
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, Final

import botocore.loaders
import botocore.signers
import botocore.useragent
import jsonpath_ng.ext
import moto.backend_index
import moto.backends
import moto.core.responses
import moto.core.utils
import moto.dynamodb.responses
import moto.events.responses
import moto.secretsmanager.responses
import moto.ses.responses
import moto.sesv2.responses
import moto.sns.responses
import moto.sqs.models
import moto.sqs.responses
import moto.ssm.responses
import moto.stepfunctions.responses
from moto.core.base_backend import BackendDict
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import HTTPException
from moto.core.request import normalize_request
from moto.moto_api._internal import mock_random
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.utils import json_path

from local.embedded.clock import VirtualClock
from local.embedded.patching import Patches
from local.embedded.template import ACCOUNT_ID

_SIGNED: Final = frozenset({"dynamodb", "sqs", "sns", "states", "events", "secretsmanager", "ssm", "ses", "kms"})


def install_time(patches: Patches, clock: VirtualClock) -> None:
    """Give every loaded moto module the virtual clock in place of `utcnow`."""
    original = moto.core.utils.utcnow

    def utcnow() -> datetime:
        return clock.now().replace(tzinfo=None)

    for name, module in sorted(sys.modules.items()):
        # Modules bind the function by name, so each of them has its own reference to replace.
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            patches.set(module, "utcnow", utcnow)


def virtual_datetime_module(clock: VirtualClock) -> types.SimpleNamespace:
    """A stand-in for the module `datetime` whose `datetime.now()` reads the clock."""
    import datetime as real

    class _Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real.datetime)

    class VirtualDatetime(real.datetime, metaclass=_Meta):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            present = clock.now()
            return present.astimezone(tz) if tz is not None else present.replace(tzinfo=None)

    names = {name: getattr(real, name) for name in dir(real) if not name.startswith("_")}
    return types.SimpleNamespace(**{**names, "datetime": VirtualDatetime})


def install_identifiers(patches: Patches, seed: int) -> None:
    """Seed moto's own randomness and `uuid.uuid4`, which botocore uses for idempotency tokens."""
    state = mock_random.getstate()
    patches.enter(_Restored(lambda: mock_random.setstate(state)))
    mock_random.seed(f"moto:{seed}")
    source = random.Random(f"uuid:{seed}")
    patches.set(uuid, "uuid4", lambda: uuid.UUID(int=source.getrandbits(128), version=4))


def install_short_cuts(patches: Patches) -> None:
    """Remember which moto handler serves a URL, and do not sign what moto serves."""
    routes: dict[str, Callable[..., Any] | None] = {}
    original_process = BotocoreStubber.process_request

    def process_request(self: BotocoreStubber, request: Any) -> Any:
        url = request.url.partition("?")[0]
        if "amazonaws.com" not in url:
            # A real endpoint, such as the provider simulator on the loopback interface: not moto's business.
            return None
        if url not in routes:
            if len(routes) > 10_000:
                routes.clear()
            routes[url] = _find_route(url)
        handler = routes[url]
        if handler is None:
            return original_process(self, request)
        normalized = normalize_request(request)
        try:
            return handler(normalized, normalized.raw_url, normalized.headers)
        except HTTPException as error:
            return error.code, error.get_headers(), error.get_body()

    patches.set(BotocoreStubber, "process_request", process_request)

    # moto inspects its whole response class for each request, and botocore spells out its user agent.
    patches.set(moto.core.responses, "method_names_from_class", cache(moto.core.utils.method_names_from_class))
    patches.set(botocore.useragent.UserAgentString, "to_string", lambda _: "embedded")
    # A queue's attributes are made anew, names and all, for each question about one of them.
    patches.set(moto.sqs.models, "camelcase_to_underscores", cache(moto.core.utils.camelcase_to_underscores))

    # Nobody changes a model that was read, and its files do not change while a process lives.
    patches.set(botocore.loaders.JSONFileLoader, "load_file", _load_file)
    patches.set(botocore.loaders.Loader, "list_available_services", _list_available_services)

    # Paths are compiled anew, grammar and all, for each event and each step of a state machine.
    compiled = lru_cache(maxsize=1024)(json_path.parse)
    for module in (jsonpath_ng.ext, json_path):
        patches.set(module, "parse", compiled)
    patches.set(result_path, "parse", lru_cache(maxsize=1024)(result_path.parse))

    original_sign = botocore.signers.RequestSigner.sign

    def sign(self: Any, operation_name: str, request: Any, region_name: str | None = None, **rest: Any) -> None:
        service = self._signing_name
        if service not in _SIGNED or "amazonaws.com" not in request.url:
            original_sign(self, operation_name, request, region_name, **rest)
            return
        scope = f"{region_name or self._region_name}/{service}/aws4_request"
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=EMBEDDED/20260101/{scope}, SignedHeaders=host, Signature=0"
        )

    patches.set(botocore.signers.RequestSigner, "sign", sign)


_original_load_file: Final = botocore.loaders.JSONFileLoader.load_file
_original_list_services: Final = botocore.loaders.Loader.list_available_services
_models: Final[dict[str, Any]] = {}
_services: Final[dict[tuple[tuple[str, ...], str], Any]] = {}


def _load_file(self: Any, file_path: str) -> Any:
    if file_path not in _models:
        _models[file_path] = _original_load_file(self, file_path)
    return _models[file_path]


def _list_available_services(self: Any, type_name: str) -> Any:
    key = (tuple(self.search_paths), type_name)
    if key not in _services:
        _services[key] = _original_list_services(self, type_name)
    return list(_services[key])


def _find_route(url: str) -> Callable[..., Any] | None:
    for service, pattern in moto.backend_index.backend_url_patterns:
        if not pattern.match(url):
            continue
        accounts: Any = moto.backends.get_backend(service)
        regions = accounts[ACCOUNT_ID] if isinstance(accounts, BackendDict) else accounts
        for region in ("us-east-1", "aws", "global"):
            if region not in regions:
                continue
            urls: dict[str, Callable[..., Any]] = regions[region].urls
            for known, handler in urls.items():
                if re.match(known, url):
                    return handler
    return None


class _Restored:
    def __init__(self, restore: Callable[[], None]) -> None:
        self._restore = restore

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._restore()
