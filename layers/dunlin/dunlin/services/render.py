"""Render a message: from one read of the borrower, checked, with its figures read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from dunlin.domain.borrower import Borrower
from dunlin.domain.hours import local_date
from dunlin.domain.message import Message, Move
from dunlin.domain.permit import pausing
from dunlin.domain.policy import Line
from dunlin.domain.recipients import Recipients
from dunlin.domain.review import Ready, Stop, review
from dunlin.domain.words import STOPPABLE, MessageState, Reason
from dunlin.errors import Conflict, ContentError, ContentOutdated, FiguresMismatch
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.pace import STANDS
from dunlin.services.policies import Policies
from dunlin.services.ports import Change, Clock, Content, Renderer, RenderRequest, Store
from dunlin.services.settle import Settle


@dataclass(frozen=True, slots=True)
class Texted:
    """A message that may go, in the words of the read it was judged on."""

    message: Message
    ready: Ready
    line: Line


class Compose:
    """Judges and words a message. Used when it is rendered, and again from the very read it is reserved on."""

    def __init__(self, policies: Policies, renderer: Renderer, content: Content, recipients: Recipients) -> None:
        self._policies = policies
        self._recipients = recipients
        self._renderer = renderer
        self._content = content
        self._lines = {line.line_id: line for line in content.lender.lines}

    def line(self, line_id: str) -> Line | None:
        return self._lines.get(line_id)

    def paused(self, borrower: Borrower, message: Message, now: datetime) -> Stop | None:
        """Whether somebody pressed stop since: asked before a hand-over that is tried again."""
        rules, line = self._policies.rules_for(borrower, now), self._lines.get(message.line)
        if rules is None or line is None:
            return Stop(Reason.CONTENT_NOT_LIVE, "pack")
        stopped = pausing(rules.policy.conditions.pauses, line, message.template, now)
        return Stop(stopped.reason, stopped.rule) if stopped is not None else None

    def judge(self, borrower: Borrower, message: Message, now: datetime) -> Texted | Stop:
        """The message in words, or why it stops here.

        A message asked for under an earlier release is judged anew and worded under this one.

        Raises:
            ContentOutdated: the message was made under a release this function does not know: not ours to send.
        """
        if not self._content.knows(message.content_version):
            raise ContentOutdated(message.content_version)
        rules = self._policies.rules_for(borrower, now)
        if rules is None:
            return Stop(Reason.CONTENT_NOT_LIVE, "pack")
        if not rules.policy.live:
            return Stop(Reason.CONTENT_NOT_LIVE, "release")
        answer = review(borrower, message, rules.strategy, rules.policy, now)
        if isinstance(answer, Stop):
            return answer
        if not self._recipients.include(answer.point.address):
            return Stop(Reason.NOT_ON_ALLOW_LIST, "recipients")
        line = self._lines.get(message.line)
        if line is None:
            return Stop(Reason.NO_ROUTE, "lines")
        try:
            rendered = self._renderer.render(
                RenderRequest(
                    template=message.template,
                    locale=message.locale,
                    channel=message.channel,
                    party_name=answer.party.name,
                    line=line,
                    today=local_date(now, borrower.zone),
                    statement=answer.statement,
                    facts=answer.facts,
                )
            )
        except FiguresMismatch as mismatch:
            return Stop(Reason.FIGURES_MISMATCH, mismatch.field)
        except ContentError:
            return Stop(Reason.NO_TEMPLATE, message.template)
        if rendered.is_too_long:
            return Stop(Reason.TOO_LONG, "template.max_parts")
        worded = replace(
            message,
            subject=rendered.subject,
            body=rendered.body,
            parts=rendered.parts,
            figures=rendered.figures,
            filing=rendered.filing,
            rendered_version=borrower.version,
            content_version=self._content.version,
        )
        return Texted(worded, answer, line)


class Render:
    """The service behind `render_message`."""

    def __init__(self, store: Store, compose: Compose, settle: Settle, clock: Clock) -> None:
        self._store = store
        self._compose = compose
        self._settle = settle
        self._clock = clock

    def render(self, borrower_id: str, key: str) -> MessageState | None:
        """Move a DUE message to RENDERED, or end it with its reason. None when it is not DUE (any more)."""
        for _ in range(ATTEMPTS):
            message = self._store.message(borrower_id, key)
            borrower = self._store.borrower(borrower_id)
            if message is None or borrower is None or message.state is not MessageState.DUE:
                return None
            now = self._clock()
            judged = self._compose.judge(borrower, message, now)
            if isinstance(judged, Stop):
                self._settle.settle(
                    borrower_id, key, MessageState.SUPPRESSED, judged.reason, judged.rule, expected=STOPPABLE
                )
                return MessageState.SUPPRESSED
            rendered = replace(
                judged.message,
                state=MessageState.RENDERED,
                attend_at=min(now + STANDS, message.not_after),
                moves=(*message.moves, Move(MessageState.RENDERED, now, message.reason, "render")),
            )
            try:
                self._store.commit(Change(moved_messages=(rendered,)))
            except Conflict:
                continue
            return MessageState.RENDERED
        return None  # it stands where it was; the sweep comes for it
