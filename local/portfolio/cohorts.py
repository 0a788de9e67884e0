"""The cohorts: for each way a loan's messages can end, somebody to whom it happens.

A small portfolio has the first cohorts of the list, so the order is that of importance. What a member does is in
`local.behaviour`; what a member has is in `Features`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from local.portfolio.people import CN, GB, PACIFIC, US_MA, US_NY

CARD, INSTALMENT, EDUCATION, MEDICAL, MORTGAGE = "card", "instalment", "education", "medical", "mortgage"
PRODUCTS = (CARD, INSTALMENT, EDUCATION, MEDICAL, MORTGAGE)


class Cohort(StrEnum):
    """What happens to a borrower. The first forty-odd are scripted, `DRAWN` is everybody else."""

    PAYS_EARLY = "pays_early"
    PAYS_ON_THE_DAY = "pays_on_the_day"
    PAYS_IN_GRACE = "pays_in_grace"
    PAYS_AFTER_TIER_1 = "pays_after_tier_1"
    PAYS_IN_PART_AFTER_TIER_2 = "pays_in_part_after_tier_2"
    CURED_AFTER_TIER_3 = "cured_after_tier_3"
    NEVER_PAYS = "never_pays"
    OPTS_OUT_HAS_EMAIL = "opts_out_has_email"
    OPTS_OUT_NO_EMAIL = "opts_out_no_email"
    DISPUTE_HOLD = "dispute_hold"
    TWO_LOANS_SAME_DAY = "two_loans_same_day"
    PLAN_KEPT = "plan_kept"
    STOP_THEN_START = "stop_then_start"
    ASKS_FOR_HELP = "asks_for_help"
    HARDSHIP_HOLD = "hardship_hold"
    TWO_LOANS_DIFFERENT_DAYS = "two_loans_different_days"
    INVALID_NUMBER = "invalid_number"
    LANDLINE = "landline"
    PAYMENT_PENDING = "payment_pending"
    PAYMENT_RETURNED = "payment_returned"
    LOAN_SOLD = "loan_sold"
    CO_BORROWER = "co_borrower"
    REPRESENTATIVE = "representative"
    TWO_ZONES = "two_zones"
    SHARED_NUMBER_OPTS_OUT = "shared_number_opts_out"
    SHARED_NUMBER_OTHER = "shared_number_other"
    MASSACHUSETTS_CAP = "massachusetts_cap"
    RESTRUCTURED = "restructured"
    PLAN_BROKEN = "plan_broken"
    PLAN_CURED = "plan_cured"
    PLAN_BY_LENDER = "plan_by_lender"
    IMPORTED_IN_ARREARS = "imported_in_arrears"
    IMPORTED_NEVER_PAYS = "imported_never_pays"
    NEVER_PAYS_CN = "never_pays_cn"
    WILL_PAY_FRIDAY = "will_pay_friday"
    SAYS_PAID = "says_paid"
    POLITE_STOP = "polite_stop"
    STOP_THIS_BILL = "stop_this_bill"
    PAYS_OFF = "pays_off"
    GUARANTOR = "guarantor"
    PERSON_ON_SEVERAL = "person_on_several"
    MORTGAGE_LEAVES = "mortgage_leaves"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True)
class Features:
    """What a member of a cohort has. `due_in_days`: from the start to the first due date, one figure a loan;
    `products`: what each loan is, the ones it does not name are paid in instalments.

    `number`: how the carrier takes texts to the primary party's number (ok, invalid, landline); `number_from`: the
    jurisdiction whose area code the number has, when it is not the residence; `phone_verified`: somebody made sure that
    it is the primary party's; `has_app`: the lender's app is on a device of theirs; `on_whatsapp`: they agreed to be
    written to there (in Britain only); `follows`: they follow the lender's WeChat account. `other_party` is the role of
    a second party, who is on all loans or on the first one only (`other_on_first`); `same_person_as`: the borrower is
    the second party of that cohort, with the same name, number and address.
    """

    jurisdiction: str
    due_in_days: tuple[int, ...] = (4,)
    email: bool = True
    number: str = "ok"
    number_from: str | None = None
    shares_number_with: Cohort | None = None
    other_party: str | None = None
    other_on_first: bool = False
    same_person_as: Cohort | None = None
    past_stage_days: tuple[int, ...] | None = None
    instalments: int = 6
    phone_verified: bool = True
    products: tuple[str, ...] = ()
    has_app: bool = False
    follows: bool = False
    on_whatsapp: bool = False

    def product(self, index: int) -> str:
        return self.products[index] if index < len(self.products) else INSTALMENT


FEATURES: dict[Cohort, Features] = {
    Cohort.PAYS_EARLY: Features(US_NY, (9,), has_app=True, products=(EDUCATION,)),
    Cohort.PAYS_ON_THE_DAY: Features(CN, (6,), email=False, products=(CARD,), follows=True),
    Cohort.PAYS_IN_GRACE: Features(GB, (5,), products=(CARD,), has_app=True),
    Cohort.PAYS_AFTER_TIER_1: Features(CN, (5,), products=(CARD,)),
    Cohort.PAYS_IN_PART_AFTER_TIER_2: Features(US_NY, (4,)),
    Cohort.CURED_AFTER_TIER_3: Features(CN, (4,), follows=True),
    Cohort.NEVER_PAYS: Features(US_NY, (4,)),
    Cohort.OPTS_OUT_HAS_EMAIL: Features(GB, (6,), has_app=True, on_whatsapp=True),
    Cohort.OPTS_OUT_NO_EMAIL: Features(CN, (5,), email=False),
    Cohort.DISPUTE_HOLD: Features(US_NY, (4,)),
    Cohort.TWO_LOANS_SAME_DAY: Features(CN, (7, 7), products=(CARD, INSTALMENT), follows=True),
    Cohort.PLAN_KEPT: Features(US_NY, (3,)),
    Cohort.STOP_THEN_START: Features(US_NY, (10,), email=False),
    Cohort.ASKS_FOR_HELP: Features(GB, (8,), has_app=True, on_whatsapp=True),
    Cohort.HARDSHIP_HOLD: Features(CN, (5,), products=(MEDICAL,)),
    Cohort.TWO_LOANS_DIFFERENT_DAYS: Features(US_NY, (5, 19), products=(EDUCATION, CARD)),
    Cohort.INVALID_NUMBER: Features(GB, (6,), number="invalid"),
    Cohort.LANDLINE: Features(US_NY, (4,), email=False, number="landline"),
    Cohort.PAYMENT_PENDING: Features(CN, (6,)),
    Cohort.PAYMENT_RETURNED: Features(US_NY, (5,)),
    Cohort.LOAN_SOLD: Features(GB, (4,), phone_verified=False, products=(MORTGAGE,)),
    Cohort.CO_BORROWER: Features(US_NY, (7, 7), other_party="co_borrower", other_on_first=True),
    Cohort.REPRESENTATIVE: Features(GB, (6,), other_party="representative", products=(MEDICAL,)),
    Cohort.TWO_ZONES: Features(US_NY, (5,), number_from=PACIFIC, has_app=True),
    Cohort.SHARED_NUMBER_OPTS_OUT: Features(US_NY, (5,)),
    Cohort.SHARED_NUMBER_OTHER: Features(US_NY, (11,), shares_number_with=Cohort.SHARED_NUMBER_OPTS_OUT),
    Cohort.MASSACHUSETTS_CAP: Features(US_MA, (4, 7), has_app=True),
    Cohort.RESTRUCTURED: Features(CN, (5,), products=(MORTGAGE,)),
    Cohort.PLAN_BROKEN: Features(GB, (3,), products=(CARD,)),
    Cohort.PLAN_CURED: Features(GB, (4,)),
    Cohort.PLAN_BY_LENDER: Features(CN, (4,), products=(CARD,)),
    Cohort.IMPORTED_IN_ARREARS: Features(US_NY, (-20,), past_stage_days=(-7, -3, -1, 0, 2, 4, 15)),
    Cohort.IMPORTED_NEVER_PAYS: Features(CN, (-38,), past_stage_days=(-7, -3, -1, 0, 2, 4, 15, 30)),
    Cohort.NEVER_PAYS_CN: Features(CN, (6,), products=(MORTGAGE,)),
    Cohort.WILL_PAY_FRIDAY: Features(US_NY, (6,)),
    Cohort.SAYS_PAID: Features(CN, (8,), follows=True),
    Cohort.POLITE_STOP: Features(US_MA, (6,)),
    Cohort.STOP_THIS_BILL: Features(GB, (7,), has_app=True, on_whatsapp=True),
    Cohort.PAYS_OFF: Features(US_NY, (12,), instalments=2),
    Cohort.GUARANTOR: Features(GB, (5,), other_party="guarantor"),
    Cohort.PERSON_ON_SEVERAL: Features(US_NY, (7,), same_person_as=Cohort.CO_BORROWER),
    Cohort.MORTGAGE_LEAVES: Features(GB, (6, 9), products=(MORTGAGE, CARD)),
}
SCRIPTED = tuple(FEATURES)
