"""The generated portfolio: everybody is there, invented, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from local.core import Account
from local.portfolio import DEFAULT_START, Cohort, Portfolio, generate
from local.portfolio.calibration import EARLY, ON_THE_DAY, PART_PAYMENT_SHARE, TIMINGS, timing_of
from local.portfolio.cohorts import SCRIPTED
from local.portfolio.people import AREA_CODES, GB_PREFIXES, JURISDICTIONS, PACIFIC, phone_count, phone_of


@pytest.fixture(scope="module")
def everybody() -> Portfolio:
    return generate(44)


def member(portfolio: Portfolio, cohort: Cohort) -> Account:
    (borrower_id,) = portfolio.members(cohort)
    return next(account for account in portfolio.accounts if account.borrower_id == borrower_id)


def test_forty_four_borrowers_have_every_cohort(everybody: Portfolio) -> None:
    assert set(everybody.cohorts.values()) == set(Cohort)
    assert Counter(everybody.cohorts.values())[Cohort.DRAWN] == 44 - len(SCRIPTED)
    assert {account.jurisdiction for account in everybody.accounts} == set(JURISDICTIONS)


def test_twelve_borrowers_have_the_first_ones() -> None:
    assert list(generate(12).cohorts.values()) == list(SCRIPTED[:12])


@pytest.mark.parametrize(("borrowers", "days"), [(0, 90), (1, 0)])
def test_nobody_and_no_time_are_refused(borrowers: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        generate(borrowers, days)


def test_same_seed_same_portfolio(everybody: Portfolio) -> None:
    assert generate(44) == everybody
    assert generate(44, seed=2) != everybody
    assert generate(80).accounts[:44] == everybody.accounts


def test_ids_are_internal_and_unique(everybody: Portfolio) -> None:
    assert [account.borrower_id for account in everybody.accounts[:2]] == ["b-0001", "b-0002"]
    loans = [terms.loan_id for account in everybody.accounts for terms in account.loans]
    assert len(set(loans)) == len(loans)


def test_people_are_invented() -> None:
    for account in generate(400).accounts:
        for party in account.parties:
            assert party.phone is not None
            number = phonenumbers.parse(party.phone)
            assert phonenumbers.is_valid_number(number)
            assert party.phone.startswith(("+861349", *GB_PREFIXES)) or party.phone[5:10] == "55501"
            assert party.email is None or party.email.endswith(("@example.com", "@example.cn"))
            assert party.phone not in account.borrower_id


def test_numbers_are_different_but_for_the_shared_one() -> None:
    portfolio = generate(400)
    phones = Counter(party.phone for account in portfolio.accounts for party in account.parties)
    shared = member(portfolio, Cohort.SHARED_NUMBER_OPTS_OUT).parties[0].phone
    twice = member(portfolio, Cohort.CO_BORROWER).parties[1]
    assert {phone for phone, count in phones.items() if count > 1} == {shared, twice.phone}
    again = member(portfolio, Cohort.PERSON_ON_SEVERAL).parties[0]
    assert (again.name, again.phone, again.email) == (twice.name, twice.phone, twice.email)
    assert member(portfolio, Cohort.SHARED_NUMBER_OTHER).parties[0].phone == shared


def test_a_large_portfolio_never_runs_out_of_numbers() -> None:
    accounts = generate(6000).accounts
    assert all(account.parties[0].phone is not None for account in accounts)


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
def test_there_are_no_more_numbers_than_invented_ones(jurisdiction: str) -> None:
    count = phone_count(jurisdiction)
    assert phone_of(jurisdiction, count - 1) != phone_of(jurisdiction, 0)
    with pytest.raises(ValueError, match="invented numbers"):
        phone_of(jurisdiction, count)


def test_ninety_days_cross_the_change_of_the_clocks(everybody: Portfolio) -> None:
    zone = ZoneInfo("America/New_York")
    assert everybody.start == datetime.combine(DEFAULT_START, datetime.min.time(), tzinfo=UTC)
    assert everybody.start.astimezone(zone).utcoffset() != everybody.end.astimezone(zone).utcoffset()


def test_escalations_have_the_time_to_end(everybody: Portfolio) -> None:
    for cohort in (Cohort.NEVER_PAYS, Cohort.NEVER_PAYS_CN, Cohort.OPTS_OUT_NO_EMAIL, Cohort.LANDLINE):
        due_on = member(everybody, cohort).loans[0].instalments[0].due_on
        assert everybody.end.date() - due_on >= timedelta(days=75)
        assert due_on > everybody.start.date() + timedelta(days=3)  # the reminder before it is in the run


def test_features(everybody: Portfolio) -> None:
    same = member(everybody, Cohort.TWO_LOANS_SAME_DAY).loans
    assert same[0].instalments[0].due_on == same[1].instalments[0].due_on
    different = member(everybody, Cohort.TWO_LOANS_DIFFERENT_DAYS).loans
    assert different[0].instalments[0].due_on != different[1].instalments[0].due_on
    zones = member(everybody, Cohort.TWO_ZONES)
    assert zones.time_zone == "America/New_York"
    assert (zones.parties[0].phone or "")[2:5] in AREA_CODES[PACIFIC]
    assert member(everybody, Cohort.OPTS_OUT_NO_EMAIL).parties[0].email is None
    assert member(everybody, Cohort.OPTS_OUT_HAS_EMAIL).parties[0].email is not None
    assert [party.role for party in member(everybody, Cohort.REPRESENTATIVE).parties] == ["primary", "representative"]
    together = member(everybody, Cohort.CO_BORROWER)
    assert together.parties[1].loan_ids == (together.loans[0].loan_id,) != tuple(t.loan_id for t in together.loans)
    assert [party.role for party in member(everybody, Cohort.GUARANTOR).parties] == ["primary", "guarantor"]
    assert sorted(everybody.numbers.values()) == ["invalid", "landline"]
    assert everybody.numbers[member(everybody, Cohort.LANDLINE).parties[0].phone or ""] == "landline"


def test_imported_loans_say_what_was_told_before(everybody: Portfolio) -> None:
    imported = [account for account in everybody.accounts if account.imported is not None]
    assert len(imported) == 2
    for account in imported:
        assert account.imported
        assert all(contact.at < everybody.start for contact in account.imported)
        assert account.loans[0].instalments[0].due_on < DEFAULT_START


def test_the_share_of_each_timing_is_the_published_one() -> None:
    counts = Counter(timing_of((n + 0.5) / 10_000) for n in range(10_000))
    total = sum(timing.share for timing in TIMINGS)
    for timing in TIMINGS:
        assert counts[timing] / 10_000 == pytest.approx(timing.share / total, abs=0.001)
    assert (EARLY.share, ON_THE_DAY.share, PART_PAYMENT_SHARE) == (0.682, 0.236, 0.096)


def test_any_start_will_do() -> None:
    assert generate(44, start=date(2027, 12, 31)).accounts[0].loans[0].instalments[0].due_on == date(2028, 1, 9)


def test_the_first_borrowers_may_be_of_other_cohorts() -> None:
    wanted = (Cohort.LOAN_SOLD, Cohort.SHARED_NUMBER_OPTS_OUT, Cohort.SHARED_NUMBER_OTHER, Cohort.DRAWN)
    assert tuple(generate(6, cohorts=wanted).cohorts.values()) == (*wanted, Cohort.DRAWN, Cohort.DRAWN)
    with pytest.raises(ValueError, match="before the cohort whose number it shares"):
        generate(2, cohorts=(Cohort.SHARED_NUMBER_OTHER, Cohort.SHARED_NUMBER_OPTS_OUT))
