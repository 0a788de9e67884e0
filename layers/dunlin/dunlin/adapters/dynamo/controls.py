"""Lines, the feed's checkpoint and our ears in the controls table. They stay out of the reservation's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pynamodb.exceptions import PutError

from dunlin.adapters.dynamo.models import ControlItem
from dunlin.adapters.dynamo.store import cause_code, translated
from dunlin.errors import StateConflict
from dunlin.services.ports import EARS, FeedState, Hearing, LineState, PauseBoard, Released, Survey

_FEED = "feed#core"
_PAUSES = "pauses"


StateT = TypeVar("StateT", LineState, Hearing, FeedState, PauseBoard, Released)
_ADAPTERS: dict[type[object], TypeAdapter[Any]] = {}


def _adapter(kind: type[StateT]) -> TypeAdapter[StateT]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


class DynamoControls:
    """`dunlin.services.ports.Controls` on DynamoDB."""

    def survey(self, lines: Sequence[str], today: date) -> Survey:
        ears, state = [f"ear#{ear}" for ear in EARS], [f"line#{line}" for line in lines]
        keys = [_FEED, _PAUSES, _released(today), *ears, *state]
        with translated():
            found = {item.control: item.document for item in ControlItem.batch_get(keys, consistent_read=True)}
        feed = _adapter(FeedState).validate_json(found[_FEED]) if _FEED in found else FeedState()
        return Survey(
            feed.counts_to,
            tuple(self._hearing(ear, found.get(f"ear#{ear}")) for ear in EARS),
            tuple(self._line(line, found.get(f"line#{line}")) for line in lines),
            self._board(found.get(_PAUSES)).pauses,
            self._count(today, found.get(_released(today))).counts,
            feed.announced_to,
        )

    def pauses(self) -> PauseBoard:
        return self._board(self._document(_PAUSES))

    def put_pauses(self, board: PauseBoard) -> None:
        self._put(_PAUSES, board.revision, replace(board, revision=board.revision + 1))

    def released(self, day: date) -> Released:
        return self._count(day, self._document(_released(day)))

    def put_released(self, released: Released) -> None:
        self._put(_released(released.day), released.revision, replace(released, revision=released.revision + 1))

    def line(self, line: str) -> LineState:
        return self._line(line, self._document(f"line#{line}"))

    def put_line(self, state: LineState) -> None:
        self._put(f"line#{state.line}", state.revision, replace(state, revision=state.revision + 1))

    def feed(self) -> FeedState:
        document = self._document(_FEED)
        return _adapter(FeedState).validate_json(document) if document is not None else FeedState()

    def put_feed(self, state: FeedState) -> None:
        self._put(_FEED, state.revision, replace(state, revision=state.revision + 1))

    def hearing(self, ear: str) -> Hearing:
        return self._hearing(ear, self._document(f"ear#{ear}"))

    def put_hearing(self, hearing: Hearing) -> None:
        self._put(f"ear#{hearing.ear}", hearing.revision, replace(hearing, revision=hearing.revision + 1))

    def _line(self, line: str, document: str | None) -> LineState:
        return _adapter(LineState).validate_json(document) if document is not None else LineState(line)

    def _board(self, document: str | None) -> PauseBoard:
        return _adapter(PauseBoard).validate_json(document) if document is not None else PauseBoard()

    def _count(self, day: date, document: str | None) -> Released:
        return _adapter(Released).validate_json(document) if document is not None else Released(day)

    def _hearing(self, ear: str, document: str | None) -> Hearing:
        return _adapter(Hearing).validate_json(document) if document is not None else Hearing(ear)

    def _document(self, control: str) -> str | None:
        with translated():
            try:
                return str(ControlItem.get(control, consistent_read=True).document)
            except ControlItem.DoesNotExist:
                return None

    def _put(self, control: str, revision: int, state: StateT) -> None:
        condition = ControlItem.revision == revision if revision else ControlItem.control.does_not_exist()
        item = ControlItem(control, revision=revision + 1, document=_adapter(type(state)).dump_json(state).decode())
        with translated():
            try:
                item.save(condition=condition)
            except PutError as failure:
                if cause_code(failure) == "ConditionalCheckFailedException":
                    raise StateConflict(control) from None
                raise


def _released(day: date) -> str:
    return f"released#{day}"
