"""One person's data: `dunlin export`, `dunlin erase`, and `dunlin verify` for the proof that outlives both."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from dunlin.adapters.dynamo.store import read_message
from dunlin.domain.keeping import Erasure
from dunlin.domain.retention import ErasureOutcome, Term
from dunlin.domain.words import StopSource
from dunlin.errors import InvalidInput, UnreadableItem
from dunlin.services import disclosure
from dunlin.services.disclosure import Proof
from dunlin.services.erase import Prospect, prospect
from rich.text import Text

from local.commands.console import complaining, output, refuse, table, write
from local.commands.deployment import (
    CONTENT,
    ContentOption,
    Deployment,
    RegionOption,
    ResourceOption,
    StackOption,
    find_deployment,
)

BorrowerArgument = Annotated[str, typer.Argument(metavar="BORROWER", help="The borrower's id.")]
_LOOKS_APART = 2
#: How to let time pass between two looks for an answer.
pause: Callable[[float], None] = time.sleep


def export(
    borrower: BorrowerArgument,
    party: Annotated[
        str, typer.Option("--party", metavar="ID", help="One of the parties. [default: the primary borrower]")
    ] = "",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to; - is standard output.")
    ] = Path("-"),
    stack: StackOption = "",
    resource: ResourceOption = None,
    region: RegionOption = None,
) -> None:
    """Write everything that is held about one person as JSON. Only reads. Another party's data is never in it."""
    with complaining():
        found = find_deployment(stack, resource or (), region, CONTENT)
        document = disclosure.export(found.store, found.holdings, borrower, party, found.now())
    write(json.dumps(document, ensure_ascii=False, indent=1) + "\n", out)
    console = output(Path("-"))  # beside the JSON, never among it
    counts = ", ".join(f"{len(document[name])} {name}" for name in ("messages", "texts", "records"))
    console.print(Text(f"{counts}; ledger of {len(document['ledger']['links'])} entries, digest {document['digest']}"))
    for name, count in document["withheld"].items():
        console.print(Text(f"withheld, since somebody else is in it: {count} {name}", style="yellow"))


def erase(
    borrower: BorrowerArgument,
    by: Annotated[StopSource, typer.Option("--by", help="Who asked.")] = StopSource.BORROWER,
    request_id: Annotated[str, typer.Option(metavar="ID", help="The request's id. [default: made from the time]")] = "",
    go: Annotated[bool, typer.Option("--go", help="Make the request, after it was shown and you said yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[int, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the answer.")] = 60,
    stack: StackOption = "",
    resource: ResourceOption = None,
    region: RegionOption = None,
    content: ContentOption = CONTENT,
) -> None:
    """Show what would go, what stays and by which rule; with --go, ask for it. Exit code 1: it is not granted (yet).

    The request is the core event `erasure.requested`, on the queue of the core's own events.
    """
    with complaining():
        found = find_deployment(stack, resource or (), region, content)
        now = found.now()
        asked = Erasure(request_id or f"erase-{now:%Y%m%dT%H%M%S}", now, str(by))
        seen = prospect(found.store, found.holdings, found.content, borrower, asked, now)
        _show(seen)
        if not go:
            output().print("Nothing was changed. Make the request with --go.")
            raise typer.Exit(0 if seen.answer.outcome is ErasureOutcome.GRANTED else 1)
        if not (yes or _agreed(borrower)):
            output().print("Nothing was changed.")
            raise typer.Exit(1)
        found.tell(_event(borrower, asked))
        outcome = _answered(found, borrower, asked.request_id, wait)
    if outcome is None:
        output().print(Text(f"Asked for, as {asked.request_id}; there is no answer yet.", style="yellow"))
        raise typer.Exit(1)
    output().print(Text(f"{asked.request_id}: {outcome}"))
    raise typer.Exit(0 if outcome is ErasureOutcome.GRANTED else 1)


def verify(
    borrower: Annotated[str, typer.Argument(metavar="[BORROWER]", help="Its id; none for a file alone.")] = "",
    file: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", dir_okay=False, help="What dunlin export wrote.")
    ] = None,
    stack: StackOption = "",
    resource: ResourceOption = None,
    region: RegionOption = None,
) -> None:
    """Follow the hash chain of a borrower's ledger; of an exported file; or hold one against the other.

    Exit code 1: something is not as it was written. Without a BORROWER no AWS is asked.
    """
    with complaining():
        if not (borrower or file):
            raise InvalidInput("borrower", "give an id, --export FILE, or both")
        document = _read(file) if file is not None else None
        problems: list[str] = []
        exported = None
        if document is not None:
            exported = disclosure.proof_of_export(document, _message)
            problems += _told("the file", exported)
        if borrower:
            if document is not None and document.get("borrower_id") != borrower:
                raise InvalidInput("export", "is about another borrower")
            problems += _in_stack(find_deployment(stack, resource or (), region, CONTENT), borrower, document, exported)
    for problem in problems:
        output().print(Text(problem, style="red"), soft_wrap=True)
    raise typer.Exit(1 if problems else 0)


def _in_stack(
    found: Deployment, borrower_id: str, document: Mapping[str, Any] | None, exported: Proof | None
) -> Iterator[str]:
    """What is wrong with the ledger there, or with what is left of it; and with the file beside it."""
    stones = [json.loads(each) for each in found.holdings.tombstones(borrower_id)]
    for stone in stones:
        whole = "whole" if stone["chain_was_whole"] else "BROKEN"
        words = f"forgotten at {stone['forgotten_at']} under {stone['rule']}: {stone['entries']} entries, {whole} then"
        output().print(Text(f"{words}, head {stone['chain_head']}"), soft_wrap=True)
        if not stone["chain_was_whole"]:
            yield "the tombstone says that the chain was broken before it went"
    borrower = found.store.borrower(borrower_id)
    if borrower is None:
        raise InvalidInput("borrower", "is not known")
    messages = found.store.conversation(borrower_id)
    if borrower.chain_head or messages or not stones:
        yield from _told("the ledger", disclosure.proof_of(messages, borrower.chain_head))
    if document is None or exported is None:
        return
    heads = {stone["chain_head"]: stone["entries"] for stone in stones}
    if borrower.keeping.forgotten_at is not None:
        if heads.get(exported.head) != exported.entries:
            yield "the file is not of the chain that the tombstone ends"
        return
    there = {message.entry_hash for message in messages if message.entry_hash}
    for link in document["ledger"]["links"]:
        if link["entry_hash"] not in there and exported.head not in heads:
            yield f"{link['ref'] or link['entry_hash']}: is in the file and no longer in the ledger"


def _told(what: str, proof: Proof) -> list[str]:
    state = "BROKEN" if proof.problems else "whole"
    words = f"{what}: {state}, {proof.entries} entries, {proof.checked} held against what they say, head {proof.head}"
    output().print(Text(words, style="red" if proof.problems else "green"), soft_wrap=True)
    return [f"{what}: {problem}" for problem in proof.problems]


def _message(text: str) -> Any:
    try:
        return read_message(text)
    except UnreadableItem:
        raise InvalidInput("messages", "must be as dunlin export writes them") from None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput("export", str(error.strerror)) from None
    except (ValueError, RecursionError):
        raise InvalidInput("export", "must be JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput("export", "must be a JSON object")
    return document


def _event(borrower_id: str, asked: Erasure) -> dict[str, object]:
    name = hashlib.sha256(f"{borrower_id}\x1f{asked.request_id}".encode()).hexdigest()[:32]
    return {
        "event_id": f"erase-{name}",
        "type": "erasure.requested",
        "occurred_at": asked.requested_at.isoformat(),
        "borrower_id": borrower_id,
        "erasure": {"request_id": asked.request_id, "by": asked.by},
    }


def _answered(found: Deployment, borrower_id: str, request_id: str, seconds: int) -> ErasureOutcome | None:
    for look in range(1 + seconds // _LOOKS_APART):
        if look:
            pause(_LOOKS_APART)
        for outcome in ErasureOutcome:
            if found.store.record(borrower_id, f"ERASURE#{request_id}#{outcome}") is not None:
                return outcome
    return None


def _agreed(borrower_id: str) -> bool:
    if not sys.stdin.isatty():
        refuse("there is nobody to say yes: give --yes")
    return str(typer.prompt(f'Forget {borrower_id}? Say "yes"', default="no")) == "yes"


def _show(seen: Prospect) -> None:
    answer, console = seen.answer, output()
    if seen.is_erased:
        console.print(Text("A request was granted before: asking again changes nothing."))
    console.print(Text(f"It would be {answer.outcome}, by {', '.join(answer.rules)}.", style="bold"), soft_wrap=True)
    shown = table("what", "how many", "becomes", "by which rule")
    for what, many, becomes, rule in _fates(seen):
        shown.add_row(*map(Text, (what, many, becomes, rule)))
    console.print(shown)


def _fates(seen: Prospect) -> Iterator[tuple[str, str, str, str]]:
    """What there is, how much of it, what becomes of it, and the rule, with its source, that says so."""
    answer, rules = seen.answer, seen.rules
    granted = answer.outcome is ErasureOutcome.GRANTED
    for hold in seen.legal_holds:
        until = f"until {hold.until.isoformat()}" if hold.until is not None else "until it is lifted"
        yield (
            f"legal hold {hold.hold_id}",
            "",
            f"everything stays {until}",
            f"matter {hold.matter}, by the {hold.source}",
        )
    if not granted:
        yield "everything", "", "stays for now", ", ".join(answer.rules)
    else:
        for gone in answer.gone:
            if gone != "words":
                yield gone.replace("_", " "), "", "goes at once", "the request"
    keep = _rule(rules.keep_records, "years") if rules is not None else "no rules are reviewed there"
    texts = rules.keep_texts if rules is not None else None
    words = _rule(texts, "days") if texts is not None else f"they are records: {keep}"
    until = _until(answer.kept_until) if granted else "stays"
    went = "goes once that old" if granted and texts is not None else until
    yield "words of messages", str(seen.with_words), went, words
    yield "words of texts", str(seen.texts), went, words
    yield "messages (the ledger's entries)", str(seen.messages), until, keep
    yield "records (facts, payments, cases)", str(seen.records), until, keep
    yield "opt-outs, under an HMAC of the number", str(seen.opted_out), "stay for ever", "an opt-out outlives erasure"
    yield "head and length of the ledger's chain", "1", "stay for ever", "proof of what was deleted; no personal data"


def _rule(term: Term, unit: str) -> str:
    return f"{term.rule_id}: {term.length} {unit} ({term.source.reference})"


def _until(moment: datetime | None) -> str:
    return f"goes on {moment.date()}" if moment is not None else "stays"
