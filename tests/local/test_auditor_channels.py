"""The auditor on devices, and on the provider's own opt-out list."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from local.auditor import AuditReport, audit
from tests.local.test_auditor import NY, NY_PHONE, Run, at, iso, loan, party

DEVICE = "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/larkspur/5e3e9847-3183-3f18-a7e8-671c3a57d4b3"
ON_WHATSAPP = "+447700900211"
OPEN = "Open the Larkspur app to read it."
PUSHED_AT = at("2026-03-03 15:00")


class Channels(Run):
    """A borrower with a number and a device, who was pushed a reminder."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[dict[str, str]] = []
        told = party("Maria Delacroix", NY_PHONE, push_endpoint=DEVICE, whatsapp=ON_WHATSAPP)
        self.borrower(NY, "US-NY", "America/New_York", told)
        snapshot = loan(1, at("2026-03-01 12:00"), instalments=[("2026-03-10", "820.00")])
        self.fact(NY, "loan.snapshot", at("2026-03-01 12:00"), loan=snapshot)
        for day in range(1, 9):
            self.checkpoint(at(f"2026-03-{day:02d} 11:00"))

    def push(
        self, body: str = "Open the Larkspur app to read it.", to: str = DEVICE, moment: datetime = PUSHED_AT
    ) -> None:
        ref = f"{NY}/2026-03-10#reminder_7#0#push#0"
        title = "A message about your account"
        self.sent(ref, to, body, moment, channel="push", provider="aws_push", subject=title, final=None)

    def list_changed(self, change: str, moment: datetime, by: str = "us", number: str = NY_PHONE) -> None:
        self.listed.append({"at": iso(moment), "number": number, "change": change, "by": by})

    def stop(self, moment: datetime) -> None:
        self.heard("in-1", NY_PHONE, "STOP", "opt_out", moment)
        self.opted_out("in-1", moment + timedelta(seconds=2))

    def judge(self, folder: Path) -> AuditReport:
        text = "".join(json.dumps(row) + "\n" for row in self.listed)
        (folder / "listed.jsonl").write_text(text, encoding="utf-8")
        return audit(self.write(folder), sender_names=("Larkspur Credit",))


def found(report: AuditReport) -> dict[str, int]:
    return {kind: count for kind, count in report.counters.items() if count}


class TestDevices:
    def test_a_push_to_the_person_s_own_device_is_right(self, tmp_path: Path) -> None:
        run = Channels()
        run.push()
        report = run.judge(tmp_path)
        assert found(report) == {}
        assert report.checked["pushes"] == report.checked["texts_push"] == 1

    @pytest.mark.parametrize("body", ["$820.00 is due.", "Maria, open the app.", "Due in 7 days."])
    def test_what_others_may_not_read(self, tmp_path: Path, body: str) -> None:
        run = Channels()
        run.push(body)
        assert run.judge(tmp_path).counters["content"] == 1

    def test_somebody_else_s_device(self, tmp_path: Path) -> None:
        run = Channels()
        run.push(to=DEVICE.replace("5e3e", "0e3e"))
        assert run.judge(tmp_path).counters["third_party"] == 1

    def test_at_night(self, tmp_path: Path) -> None:
        run = Channels()
        run.push(moment=at("2026-03-03 08:00"))
        assert run.judge(tmp_path).counters["quiet_hours"] == 1

    def test_after_the_core_told_that_it_is_not_wanted(self, tmp_path: Path) -> None:
        run = Channels()
        told = {"scope": "number", "opted_out": True, "push_endpoint": DEVICE}
        run.fact(NY, "preferences.changed", at("2026-03-02 15:00"), preference=told)
        run.push()
        assert run.judge(tmp_path).counters["opt_out"] == 1

    def test_a_stop_by_text_is_about_the_number(self, tmp_path: Path) -> None:
        run = Channels()
        run.stop(at("2026-03-02 15:00"))
        run.list_changed("put", at("2026-03-02 15:06"))
        run.push()
        assert found(run.judge(tmp_path)) == {}

    def test_a_device_in_a_log(self, tmp_path: Path) -> None:
        run = Channels()
        run.push()
        run.log(message="sent", to=DEVICE)
        assert run.judge(tmp_path).counters["pii_in_logs"] == 1


class TestTheProvidersList:
    SAID_AT = at("2026-03-02 15:00")

    def later(self) -> Channels:
        """A STOP, and days in which it could be written through."""
        run = Channels()
        run.stop(self.SAID_AT)
        return run

    def test_written_through_after_the_confirmation(self, tmp_path: Path) -> None:
        run = self.later()
        run.list_changed("put", self.SAID_AT + timedelta(minutes=6))
        report = run.judge(tmp_path)
        assert found(report) == {}
        assert (report.checked["written_through"], report.checked["opt_outs_to_list"]) == (1, 1)

    def test_before_it_could_be_confirmed(self, tmp_path: Path) -> None:
        run = self.later()
        run.list_changed("put", self.SAID_AT + timedelta(minutes=4))
        assert run.judge(tmp_path).counters["opt_out"] == 1

    def test_never(self, tmp_path: Path) -> None:
        assert self.later().judge(tmp_path).counters["opt_out"] == 1

    def test_of_somebody_who_said_nothing(self, tmp_path: Path) -> None:
        run = Channels()
        run.list_changed("put", self.SAID_AT)
        assert run.judge(tmp_path).counters["opt_out"] == 2  # put there, and still there

    def test_taken_off_again(self, tmp_path: Path) -> None:
        run = self.later()
        run.list_changed("put", self.SAID_AT + timedelta(minutes=6))
        run.heard("in-2", NY_PHONE, "START", "opt_in", self.SAID_AT + timedelta(hours=1))
        run.list_changed("deleted", self.SAID_AT + timedelta(hours=1, minutes=1))
        assert run.judge(tmp_path).counters["opt_out"] == 0

    def test_not_taken_off_again(self, tmp_path: Path) -> None:
        run = self.later()
        run.list_changed("put", self.SAID_AT + timedelta(minutes=6))
        run.heard("in-2", NY_PHONE, "START", "opt_in", self.SAID_AT + timedelta(hours=1))
        assert run.judge(tmp_path).counters["opt_out"] == 1

    def test_an_opt_out_made_at_the_provider_binds_here(self, tmp_path: Path) -> None:
        run = Channels()
        run.list_changed("put", self.SAID_AT, by="person")
        body = "Larkspur Credit: Hi Maria, $820.00 for your loan ending 4821 is due on March 10. Reply STOP to opt out."
        run.sent(f"{NY}/2026-03-10#reminder_7#0#sms#0", NY_PHONE, body, PUSHED_AT)
        report = run.judge(tmp_path)
        assert report.counters["opt_out"] == 1
        assert report.checked["opted_out_at_provider"] == 1


class TestWhatsApp:
    WORDS = "Larkspur Credit: $820.00 for account ending 4821 is due on Mar 10. Reply STOP to opt out."

    def run(self, form: str, *, to: str = ON_WHATSAPP, moment: datetime = PUSHED_AT, key: str = "") -> Channels:
        run = Channels()
        ref = f"{NY}/{key or '2026-03-10#reminder_7#0#whatsapp#0'}"
        run.sent(ref, to, self.WORDS, moment, channel="whatsapp", provider="aws_whatsapp", context={"type": form})
        return run

    def test_a_template_needs_no_word_of_the_person_before_it_and_free_words_do(self, tmp_path: Path) -> None:
        run = self.run("template")
        report = run.judge(tmp_path)
        assert report.checked["whatsapp_forms"] == report.checked["texts_whatsapp"] == 1
        free_words = "free words to somebody who had not written there within a day"
        assert free_words not in [each.why for each in report.findings]
        free = self.run("text").judge(tmp_path)
        assert free_words in [each.why for each in free.findings]
        written = self.run("text")
        written.heard("in-9", ON_WHATSAPP, "how do I pay?", "other", PUSHED_AT - timedelta(hours=20))
        assert free_words not in [each.why for each in written.judge(tmp_path).findings]
        late = self.run("text")
        late.heard("in-9", ON_WHATSAPP, "how do I pay?", "other", PUSHED_AT - timedelta(hours=25))
        assert free_words in [each.why for each in late.judge(tmp_path).findings]

    def test_nothing_overdue_goes_where_there_is_no_time_to_live(self, tmp_path: Path) -> None:
        report = self.run("template", key="2026-03-10#tier_1#0#whatsapp#0", moment=at("2026-03-16 15:00")).judge(
            tmp_path
        )
        assert "collection goes where there is no time-to-live" in [each.why for each in report.findings]

    def test_somebody_else_s_number(self, tmp_path: Path) -> None:
        assert self.run("template", to="+447700900299").judge(tmp_path).counters["third_party"] == 1

    def test_after_an_opt_out_there(self, tmp_path: Path) -> None:
        run = self.run("template")
        run.heard("in-9", ON_WHATSAPP, "STOP", "opt_out", PUSHED_AT - timedelta(hours=2))
        run.opted_out("in-9", PUSHED_AT - timedelta(hours=2) + timedelta(seconds=2))
        assert run.judge(tmp_path).counters["opt_out"] == 1

    def test_at_night(self, tmp_path: Path) -> None:
        assert self.run("template", moment=at("2026-03-03 04:00")).judge(tmp_path).counters["quiet_hours"] == 1
