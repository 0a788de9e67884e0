"""What borrowers write besides STOP, in varied words, and who writes what: by hash of the seed and the borrower.

A story begins with the first text of ours that fits it. Most borrowers have none, so that the scripts of
`local.behaviour` stay what they are; each cohort has only stories that its own script can live with.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

from local.core.draws import choose, draw
from local.portfolio.cohorts import Cohort


class Meaning(StrEnum):
    """What a borrower meant by a text: the truth, against which what Dunlin understood can be judged."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    PROMISE = "promise"
    SAYS_PAID = "says_paid"
    BALANCE = "balance"
    HARDSHIP = "hardship"
    DISPUTE = "dispute"
    COMPLAINT = "complaint"
    WRONG_NUMBER = "wrong_number"
    QUESTION = "question"
    REALLY_YOU = "really_you"
    PLAN = "plan"
    CHOICE = "choice"
    UNCLEAR = "unclear"
    OTHER = "other"
    CRISIS = "crisis"
    CEASE = "cease"  # by no means at all, and not only: no more texts
    DECEASED = "deceased"  # written by somebody else
    BANKRUPTCY = "bankruptcy"
    ATTORNEY = "attorney"
    IDENTITY_THEFT = "identity_theft"


class Story(StrEnum):
    """What somebody brings up, once."""

    PROMISE_KEPT = "promise_kept"
    PROMISE_BROKEN = "promise_broken"
    PROMISE_PART = "promise_part"  # two fifths of it come
    BALANCE = "balance"
    PAID_TRUE = "paid_true"
    PAID_UNTRUE = "paid_untrue"
    HARDSHIP = "hardship"
    DISPUTE = "dispute"
    COMPLAINT = "complaint"
    WRONG_NUMBER = "wrong_number"
    QUESTION = "question"
    REALLY_YOU = "really_you"
    UNCLEAR_TWICE = "unclear_twice"
    STOPS_MIDWAY = "stops_midway"  # which day, we ask; STOP, they say
    STRANGER = "stranger"  # the number has been somebody else's for a while, and they say so
    TWO_TOGETHER = "two_together"  # two texts that arrive at one moment
    OTHER_LANGUAGE = "other_language"  # not the one we write to them in
    COMES_BACK = "comes_back"  # opts out, and in again the next day
    CRISIS = "crisis"
    CEASE = "cease"
    DECEASED = "deceased"
    BANKRUPTCY = "bankruptcy"
    ATTORNEY = "attorney"
    IDENTITY_THEFT = "identity_theft"


PROMISES = frozenset({Story.PROMISE_KEPT, Story.PROMISE_BROKEN, Story.PROMISE_PART})
#: Stories that need no arrears to begin.
ANY_TIME = frozenset(
    {
        Story.BALANCE,
        Story.QUESTION,
        Story.REALLY_YOU,
        Story.UNCLEAR_TWICE,
        Story.STRANGER,
        Story.TWO_TOGETHER,
        Story.OTHER_LANGUAGE,
        Story.COMES_BACK,
    }
)
#: Assumed: how many of those who could have a story have one.
SHARE = 0.8
DRAWN_SHARE = 0.4
#: Who always has one: a demo in which nobody had would prove nothing about its promise.
ALWAYS = frozenset(
    {Cohort.PAYS_IN_GRACE, Cohort.PAYS_AFTER_TIER_1, Cohort.TWO_LOANS_SAME_DAY, Cohort.SHARED_NUMBER_OTHER}
)

#: A cohort that is not here has none.
STORIES: Mapping[Cohort, tuple[Story, ...]] = {
    Cohort.PAYS_EARLY: (Story.QUESTION, Story.BALANCE, Story.COMES_BACK),
    Cohort.PAYS_ON_THE_DAY: (Story.BALANCE, Story.UNCLEAR_TWICE),
    Cohort.PAYS_IN_GRACE: (Story.STRANGER,),
    Cohort.PAYS_AFTER_TIER_1: (Story.PROMISE_KEPT,),
    Cohort.PAYS_IN_PART_AFTER_TIER_2: (Story.PROMISE_BROKEN,),
    Cohort.CURED_AFTER_TIER_3: (Story.PROMISE_PART, Story.DISPUTE),
    Cohort.TWO_LOANS_SAME_DAY: (Story.BALANCE, Story.TWO_TOGETHER),
    Cohort.PAYMENT_PENDING: (Story.BALANCE, Story.QUESTION, Story.OTHER_LANGUAGE),
    Cohort.PAYMENT_RETURNED: (Story.TWO_TOGETHER, Story.REALLY_YOU),
    Cohort.TWO_ZONES: (Story.HARDSHIP, Story.PROMISE_BROKEN, Story.BANKRUPTCY, Story.ATTORNEY),
    Cohort.SHARED_NUMBER_OTHER: (Story.BALANCE,),
    Cohort.RESTRUCTURED: (Story.HARDSHIP, Story.DISPUTE, Story.ATTORNEY),
    Cohort.IMPORTED_IN_ARREARS: (Story.PROMISE_KEPT, Story.COMPLAINT, Story.IDENTITY_THEFT, Story.CEASE),
    Cohort.IMPORTED_NEVER_PAYS: (
        Story.PROMISE_BROKEN,
        Story.HARDSHIP,
        Story.PAID_UNTRUE,
        Story.CRISIS,
        Story.CEASE,
        Story.BANKRUPTCY,
    ),
    Cohort.NEVER_PAYS_CN: (
        Story.PROMISE_PART,
        Story.COMPLAINT,
        Story.STOPS_MIDWAY,
        Story.DECEASED,
        Story.IDENTITY_THEFT,
    ),
    Cohort.PAYS_OFF: (Story.OTHER_LANGUAGE, Story.UNCLEAR_TWICE),
    Cohort.GUARANTOR: (Story.PAID_UNTRUE, Story.PAID_TRUE),
    Cohort.MORTGAGE_LEAVES: (Story.WRONG_NUMBER, Story.DECEASED, Story.CRISIS),
    Cohort.PERSON_ON_SEVERAL: (Story.BALANCE,),
    Cohort.DRAWN: tuple(Story),
}

_CHINESE = "zh-CN"
#: By meaning: in English, in Chinese.
WORDS: Mapping[Meaning, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Meaning.PROMISE: (
        ("I will pay {amount} on {day}", "I can pay {amount} on {day}", "You will have {amount} from me by {day}"),
        ("我{day}还{amount}", "{day}我会还{amount}", "保证{day}之前还款{amount}"),
    ),
    Meaning.BALANCE: (
        ("How much do I owe?", "What's my balance please", "Can you tell me how much is outstanding"),
        ("我欠多少钱", "请问还差多少", "现在一共要还多少钱"),
    ),
    Meaning.SAYS_PAID: (
        ("I already paid this", "I paid this last week, please check", "Payment was made already, check your records"),
        ("我已经还过了", "钱上周就还了，请查一下", "已经还了"),
    ),
    Meaning.HARDSHIP: (
        ("I lost my job and can't pay right now", "I've been off sick and cannot afford this"),
        ("我失业了，现在还不起", "生病住院，实在没钱还"),
    ),
    Meaning.DISPUTE: (
        ("I dispute this, the amount is wrong", "That charge is wrong and I do not owe it"),
        ("这笔账不对，我有异议", "金额有误，我不认可"),
    ),
    Meaning.COMPLAINT: (
        ("I want to make a complaint", "I wish to complain about how I have been treated"),
        ("我要投诉", "我要投诉你们的催收"),
    ),
    Meaning.WRONG_NUMBER: (
        ("You have the wrong number", "Wrong number, I don't know this person"),
        ("打错了，不是我", "发错号码了"),
    ),
    Meaning.QUESTION: (
        ("Why did my payment go up this month?", "When will my late fee be removed?"),
        ("为什么这个月多了", "提前还款合同会变吗"),
    ),
    Meaning.REALLY_YOU: (
        ("Is this really you?", "how do I know this is not a scam"),
        ("你们真的是银行吗", "这是不是诈骗短信"),
    ),
    Meaning.UNCLEAR: (
        ("zxq blorp 77", "purple monkey dishwasher", "hjkl vbnm"),
        ("嘟噜吧啦", "哈呀嘛哒", "呜啦啦七七"),
    ),
    Meaning.OPT_OUT: (("Actually STOP texting me", "stop texting me now please"), ("别再发了，退订", "退订")),
    Meaning.OPT_IN: (("START", "Start texting me again"), ("恢复订阅", "恢复")),
    Meaning.CRISIS: (
        ("I can't do this any more, I just want to die", "I don't want to live anymore"),
        ("活着没意思，我不想活了", "被你们逼得想死的心都有了"),
    ),
    Meaning.CEASE: (
        ("Do not contact me by any means", "Stop contacting me, no calls, no texts, no letters"),
        ("以后不要以任何方式联系我", "别再用任何方式联系我了，电话短信邮件都不要"),
    ),
    Meaning.DECEASED: (
        ("My husband passed away last week, this was his phone", "This is her daughter. My mother died in January"),
        ("我爸上个月去世了，这是他的手机", "机主已经过世了，我是他女儿"),
    ),
    Meaning.BANKRUPTCY: (
        ("I filed for bankruptcy last month", "I have filed chapter 7"),
        ("我已经申请个人破产了", "法院已经受理我的个人破产申请"),
    ),
    Meaning.ATTORNEY: (
        ("Please talk to my attorney from now on", "I have a lawyer, contact my lawyer"),
        ("有事找我的律师", "我已经委托律师处理了，请联系我的律师"),
    ),
    Meaning.IDENTITY_THEFT: (
        ("I never took out this loan, someone stole my identity", "This is not my loan, someone used my identity"),
        ("这贷款不是我办的，有人冒用我的身份证", "我的身份被盗用了，这笔贷款不是我借的"),
    ),
}
#: A promise that names no day.
SOON = ("I'll pay it soon", "我很快就还")
_MEANT = {
    Story.BALANCE: Meaning.BALANCE,
    Story.PAID_TRUE: Meaning.SAYS_PAID,
    Story.PAID_UNTRUE: Meaning.SAYS_PAID,
    Story.HARDSHIP: Meaning.HARDSHIP,
    Story.DISPUTE: Meaning.DISPUTE,
    Story.COMPLAINT: Meaning.COMPLAINT,
    Story.WRONG_NUMBER: Meaning.WRONG_NUMBER,
    Story.QUESTION: Meaning.QUESTION,
    Story.REALLY_YOU: Meaning.REALLY_YOU,
    Story.UNCLEAR_TWICE: Meaning.UNCLEAR,
    Story.STRANGER: Meaning.WRONG_NUMBER,
    Story.TWO_TOGETHER: Meaning.BALANCE,
    Story.OTHER_LANGUAGE: Meaning.BALANCE,
    Story.COMES_BACK: Meaning.OPT_OUT,
    Story.CRISIS: Meaning.CRISIS,
    Story.CEASE: Meaning.CEASE,
    Story.DECEASED: Meaning.DECEASED,
    Story.BANKRUPTCY: Meaning.BANKRUPTCY,
    Story.ATTORNEY: Meaning.ATTORNEY,
    Story.IDENTITY_THEFT: Meaning.IDENTITY_THEFT,
}
_MARKS = {"USD": "${}", "GBP": "£{}", "CNY": "{}元"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def story_of(seed: int, borrower_id: str, cohort: Cohort) -> Story | None:
    """What this borrower brings up; None for most."""
    stories = STORIES.get(cohort, ())
    share = 1.0 if cohort in ALWAYS else DRAWN_SHARE if cohort is Cohort.DRAWN else SHARE
    if not stories or draw(seed, "has a story", borrower_id) >= share:
        return None
    return choose(seed, stories, "story", borrower_id)


def meaning_of(story: Story) -> Meaning:
    """What the first text of a story means."""
    return _MEANT.get(story, Meaning.PROMISE)


def words_for(meaning: Meaning, locale: str, seed: int, *matter: object) -> str:
    """One of the wordings of a meaning."""
    return choose(seed, WORDS[meaning][locale == _CHINESE], "wording", meaning, *matter)


def other_language(locale: str) -> str:
    """The locale of a language that the texts to this one are not in."""
    return "en-US" if locale == _CHINESE else _CHINESE


def promise_words(amount: Decimal, currency: str, on: date, locale: str, seed: int, *matter: object) -> str:
    """A promise with its amount and its day."""
    if locale == _CHINESE:
        day = f"{on.month}月{on.day}日"
    elif locale == "en-GB":
        day = f"{on.day} {_MONTHS[on.month - 1]}"
    else:
        day = f"{_MONTHS[on.month - 1]} {on.day}"
    words = words_for(Meaning.PROMISE, locale, seed, *matter)
    return words.format(amount=_MARKS[currency].format(amount), day=day)


def promise_without_a_day(locale: str) -> str:
    return SOON[locale == _CHINESE]
