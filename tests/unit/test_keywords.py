"""What a reply asks for. The sentences are ones that have gone wrong elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from dunlin.content import Content, load_content
from dunlin.domain.keywords import Keyword, KeywordWords, WordList, read_keyword
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "layers" / "content"


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", " Stop! ", "STOP.", "Stop. Thank you", "stop pls", "Please stop", "stop all this",
        "S T O P", "s.t.o.p", "STOP STOP STOP", "Stop!!! 🛑", "stop now please", "just stop it", "STOP THIS",
        "I said stop", "ok stop", "stop texts", "stop. I already paid you", "I paid on Monday. STOP",
        "QUIT", "END", "end.", "Cancel", "REVOKE", "remove", "remove me", "UNSUBSCRIBE", "unsubscribe please",
        "opt out", "OPT-OUT", "optout", "Opt out please", "I want to opt out", "I'd like to opt out",
        "opt me out", "please opt me out of this", "I opt out",
        "please stop texting me", "Stop texting me!", "can you stop texting me", "please don't text me again",
        "please don\u2019t text me again", "Do not text me", "dont text me anymore", "DON`T TEXT ME",
        "no more texts please", "No more messages", "take me off your list", "Remove me from your list",
        "unsubscribe me", "leave me alone", "I revoke my consent to be contacted", "i do not consent to this",
        "stop sending me these messages", "Would you kindly stop contacting me about this. My lawyer will call.",
        "never text me again", "Don't ever text me", "How do I opt out of these messages?",
        "ＳＴＯＰ", "st\u200bop", "\u202eSTOP", "STOP\n\nSent from my phone", "td", "ARRET",
        "退订", "TD",
    ],
)  # fmt: skip
def test_english_opt_outs(content: Content, text: str) -> None:
    assert read_keyword(text, content.words("en-US")) is Keyword.OPT_OUT


@pytest.mark.parametrize(
    "text", ["STOPALL", "Stop all", "stop-all please", "STOP ALL. Thank you", "opt out of everything"]
)
def test_english_opt_outs_of_everything(content: Content, text: str) -> None:
    for locale in ("en-US", "zh-CN", None):
        assert read_keyword(text, content.words(locale)) is Keyword.OPT_OUT_ALL


@pytest.mark.parametrize("text", ["全部退订", "请全部退订", "退订全部，谢谢", "【全部退订】"])
def test_chinese_opt_outs_of_everything(content: Content, text: str) -> None:
    for locale in ("en-US", "zh-CN", None):
        assert read_keyword(text, content.words(locale)) is Keyword.OPT_OUT_ALL


@pytest.mark.parametrize(
    "text", ["stop all this talk about fees", "don't stop all payments", "all stop signs", "不要全部退订", "全部还清了"]
)
def test_nobody_opts_out_of_everything_by_accident(content: Content, text: str) -> None:
    for locale in ("en-US", "zh-CN", None):
        assert read_keyword(text, content.words(locale)) is not Keyword.OPT_OUT_ALL


@pytest.mark.parametrize(
    "text",
    [
        "I'll send it Friday", "we have got to STOP this terrible bill", "stop by tomorrow",
        "I will stop at the bank and pay", "I'll pay at the end of the month", "this is not the end",
        "My payment was cancelled", "cancel my payment", "Can you cancel the fee?", "please remove the late fee",
        "I quit my job last week", "quit stalling and call me", "the bus stop is closed so I can't get to the bank",
        "I want to end it all", "I can't stop thinking about this bill",
        "opt out of autopay", "How do I unsubscribe from autopay?", "please don't send me to collections",
        "do not contact my employer", "don't stop texting me, it helps", "if you stop texting me I will forget",
        "Stopped by the branch", "unstoppable", "weekend", "spend", "N", "R", "T", "no", "yes", "n", "YES",
        "why did you stop texting me?", "", "   ", "🙂", "?!", "1234", "ok thanks", "call me",
    ],
)  # fmt: skip
def test_english_that_is_not_an_opt_out(content: Content, text: str) -> None:
    assert read_keyword(text, content.words("en-US")) is not Keyword.OPT_OUT


@pytest.mark.parametrize(
    "text",
    [
        "退订", "退订。", "【退订】", "退订！！", "退 订", "我要退订", "请帮我退订", "退订，谢谢", "退订谢谢",
        "麻烦退订一下短信", "怎么退订",
        "TD", "td", "Td", "T", "t", "T。", "N", "R", "ｔ", "回T", "回复TD", "退订回T", "停止", "取消订阅",
        "别再给我发短信了", "不要再给我发短信", "请不要再发短信了！", "别发了", "不要再发了", "请停止发送短信",
        "不想再收到你们的短信",
        "请勿打扰", "别再骚扰我", "不要再联系我了", "拒收", "我不想收到这些信息", "我已经还了，退订", "stop",
        "STOP", "please stop texting me",
    ],
)  # fmt: skip
def test_chinese_opt_outs(content: Content, text: str) -> None:
    assert read_keyword(text, content.words("zh-CN")) is Keyword.OPT_OUT


@pytest.mark.parametrize(
    "text",
    [
        "我明天还款", "不要停止扣款", "停止扣款", "不是要退订", "我没说我要退订", "TN", "RT", "T恤多少钱",
        "还款日是N号吗",
        "为什么停止发短信了", "如果不要再发短信我会忘记", "请再发一次账号", "不要再发错账单了",
        "我停工了还不上", "退订费是什么意思", "订单退了",
    ],
)  # fmt: skip
def test_chinese_that_is_not_an_opt_out(content: Content, text: str) -> None:
    assert read_keyword(text, content.words("zh-CN")) is not Keyword.OPT_OUT


@pytest.mark.parametrize(
    ("locale", "text", "expected"),
    [
        ("en-US", "START", Keyword.OPT_IN),
        ("en-US", "Start please", Keyword.OPT_IN),
        ("en-US", "unstop", Keyword.OPT_IN),
        ("en-US", "opt me back in", Keyword.OPT_IN),
        ("en-US", "I will start paying Friday", Keyword.OTHER),
        ("en-US", "you can text me again", Keyword.OPT_IN),
        ("en-US", "do not ever text me again", Keyword.OTHER),
        ("en-US", "HELP", Keyword.HELP),
        ("en-US", "help me please", Keyword.HELP),
        ("en-US", "Who is this?", Keyword.HELP),
        ("en-US", "nothing helps", Keyword.OTHER),
        ("en-US", "stop. help", Keyword.OPT_OUT),
        ("zh-CN", "恢复", Keyword.OPT_IN),
        ("zh-CN", "取消订阅", Keyword.OPT_OUT),
        ("zh-CN", "帮助", Keyword.HELP),
        ("zh-CN", "你是谁？", Keyword.HELP),
        ("zh-CN", "我会帮助他", Keyword.OTHER),
    ],
)
def test_other_requests(content: Content, locale: str, text: str, expected: Keyword) -> None:
    assert read_keyword(text, content.words(locale)) is expected


@pytest.mark.parametrize("letter", ["t", "n", "r", "T"])
def test_single_letters_count_where_they_are_used_and_only_alone(content: Content, letter: str) -> None:
    assert read_keyword(letter, content.words("zh-CN")) is Keyword.OPT_OUT
    assert read_keyword(f"{letter} 谢谢 明天", content.words("zh-CN")) is Keyword.OTHER
    assert read_keyword(letter, content.words("en-US")) is Keyword.OTHER
    assert read_keyword(letter, content.words(None)) is Keyword.OTHER


def test_a_sender_nobody_knows_is_read_in_every_language(content: Content) -> None:
    for text in ("stop", "退订", "please stop texting me"):
        assert read_keyword(text, content.words(None)) is Keyword.OPT_OUT


STOP_ONLY = KeywordWords(opt_out=WordList(lenient=frozenset({"stop"})))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1), st.text(alphabet="abcdefghijklmnopqrstuvwxyz"))
def test_a_word_inside_a_word_is_not_that_word(before: str, after: str) -> None:
    assert read_keyword(f"{before}stop{after}", STOP_ONLY) is Keyword.OTHER


@given(st.text(alphabet=" .!?,;\n\t\u200b🙂\"'()", max_size=20), st.text(alphabet=" .!?,;\n🙂", max_size=20))
def test_what_stands_around_a_word_does_not_change_it(before: str, after: str) -> None:
    assert read_keyword(f"{before}SToP{after}", STOP_ONLY) is Keyword.OPT_OUT


@given(st.text(max_size=2000))
def test_every_text_has_an_answer(text: str) -> None:
    assert read_keyword(text, STOP_ONLY) in Keyword
