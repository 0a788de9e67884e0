"""The judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

#: Every kind of violation there is; a counter that stays at zero is reported too.
KINDS = (
    "opt_out",
    "quiet_hours",
    "cap",
    "paid_already",
    "stale_balance",
    "wrong_amount",
    "third_party",
    "pii_in_logs",
    "duplicates",
    "content",
    "hold",
    "not_open",
    "consent",
    "preference",
    "contact_point",
    "strategy",
    "not_asked",
    "too_late",
    "promotion",
    "text_stop",
    "promise",
    "unanswered",
    "stranger",
    "balance",
    "answer",
    "repeated",
    "plan",
    "plan_dunned",
)

#: What is counted while judging, so that zero violations among nothing is visible.
CHECKED = (
    "texts",
    "texts_sms",
    "texts_email",
    "texts_push",
    "texts_wechat",
    "pushes",
    "texts_whatsapp",
    "whatsapp_forms",
    "accepted",
    "replies",
    "amounts",
    "totals",
    "dates",
    "days_stated",
    "recipients",
    "further_parties",
    "loans_heard",
    "hours_checks",
    "cap_checks",
    "strategy_checks",
    "paid_checks",
    "balance_ages",
    "occasions",
    "consent_checks",
    "wish_checks",
    "contact_points",
    "notices",
    "facts_stated",
    "wordings",
    "texts_to_opted_out_numbers",
    "opted_out_at_provider",
    "written_through",
    "opt_outs_to_list",
    "inbound",
    "borrowers",
    "core_events",
    "log_files",
    "log_lines",
    "planted_values",
    "text_stops",
    "promises_confirmed",
    "promises_followed",
    "promises",
    "texts_to_answer",
    "to_wrong_numbers",
    "to_shared_numbers",
    "to_strangers",
    "balances",
    "answers",
    "answers_in_words",
    "surveys",
    "follow_ups",
    "asked_after",
    "plans_offered",
    "plans_agreed",
    "plans_followed",
    "plans_missed",
    "plans",
    "plan_freezes",
)

#: Worth knowing, and no violation.
OBSERVED = (
    "paid_in_feed_lag",
    "opt_out_ties",
    "fact_ties",
    "recorded_but_not_meant",
    "replies_to_nothing",
    "occasions_tried_again",
    "texts_without_amounts",
    "texts_without_legal_hours",
    "texts_without_end",
    "unknown_area_codes",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation. `ref` is the message's, or a place in a log; `why` carries no personal data."""

    kind: str
    ref: str
    at: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found, and how much was looked at: no violation among nothing checked proves nothing.

    `opt_outs` is received, honoured and max_seconds (from the borrower's text to the record that stops messages).
    `observations` are counts worth knowing that are no violations: facts that had not reached the application, exact
    ties in time, area codes the auditor does not know.
    """

    counters: Mapping[str, int]
    findings: tuple[Finding, ...]
    opt_outs: Mapping[str, float]
    checked: Mapping[str, int]
    observations: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counters.values())

    def to_json(self) -> dict[str, object]:
        """The report as plain JSON data, without personal data."""
        return {
            "violations": dict(self.counters),
            "total": self.total,
            "findings": [
                {"kind": f.kind, "ref": f.ref, "at": None if f.at is None else f.at.isoformat(), "why": f.why}
                for f in self.findings
            ],
            "opt_outs": dict(self.opt_outs),
            "checked": dict(self.checked),
            "observations": dict(self.observations),
        }
