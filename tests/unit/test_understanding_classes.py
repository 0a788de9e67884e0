"""Classes of texts that are easily mistaken, each as a table: what only sounds like an opt-out, and what does not."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from dunlin.content import load_lexicon
from dunlin.domain.intents import Asked, Intent, Topic, Understood
from dunlin.domain.understanding import understand

LEXICON = load_lexicon(Path(__file__).parents[2] / "layers" / "content")
TODAY = date(2026, 3, 2)
NOTHING = Asked()


def read(text: str, asked: Asked = NOTHING, today: date = TODAY) -> Understood:
    locale = "en-US" if text.isascii() else "zh-CN"
    return understand(text, LEXICON, locale=locale, today=today, asked=asked)


# fmt: off
UNDONE = [
    "I blocked you by mistake, please text me again",
    "I unsubscribed by mistake, can you sign me up for the texts again?", "unsubscribed by accident, please undo",
    "I accidentally unsubscribed", "opted out by mistake", "I didn't mean to opt out", "sent stop by mistake",
    "my kid texted STOP, please turn the messages back on", "I opted out last week but want the reminders back",
    "I hit unsubscribe by accident, add me back", "never meant to unsubscribe", "stopped the texts by mistake",
    "I take back my opt out", "undo my unsubscribe", "I mistakenly opted out", "我之前误退订了，请恢复短信",
    "我不小心按到退訂,麻煩幫我恢復簡訊通知", "误退订了", "按错了退订", "手滑退订了，帮我恢复一下", "点错退订了",
    "退订是误操作", "不小心回了TD，请恢复", "唔小心撳咗退訂,想恢復返", "之前退订了，现在想重新接收",
    "退訂錯了,請恢復", "re-subscribe me, I unsubscribed last month", "add me back, unsubscribed ages ago",
    "can you start sending them again? i said stop before", "上次让你们别发了，现在还是发吧",
    "上次让你们不要发，现在请继续发给我",
]
STILL_OPT_OUT = [
    "STOP, I got this by mistake", "unsubscribe me, I signed up by mistake",
    "I accidentally signed up, stop texting me", "you must have my number by mistake, please stop texting", "stop",
    "please stop", "Stop!!", "how do I stop these texts", "how do I stop", "how can I stop getting these",
    "I unsubscribed already, stop texting me", "退订，我是误订的", "我已经退订了，别再发了",
    "I opted out last week, stop", "will you please stop", "stop sending me late fee texts",
    "stop texting me about the payment", "不小心订阅的，退订", "别停下来退订我，我是说退订",
    "you texted me by mistake, stop", "that's my son, stop", "I accidentally subscribed, unsubscribe", "cancel, stop",
    "STOP CANCEL UNSUBSCRIBE END QUIT", "I opted out and you have texted me again",
    "I unsubscribed but still get texts again", "I opted out, I don't want texts again",
    "stop, legal action will follow", "respect my stop", "consider this a STOP", "误发短信，请停止",
    "不小心点进来的，退订", "之前退订了，不想再收", "退订，你们发错了", "退订了又重新收到短信，退订", "可以退订吗",
    "能退订吗", "已退款，退订", "退订，搞错人了", "put a stop to these texts", "make the texts stop",
    "stop late night texts", "charged for every message so knock me off please",
    "Per Reg F I'm opting out of electronic communications to this phone number effective immediately",
]
CAME_BACK = [
    "之前让你们别发了，现在又重新发", "之前让你们停发了，还是天天发", "我退订了你们怎么又开始发", "说了不要发还继续发",
    "之前让你们别发了，现在还发", "明明退订了为什么又恢复短信", "之前退订过，现在又重新订阅了？谁让你们订阅的",
    "i said stop, why start again", "you signed me up again without asking", "who put me back on this list",
    "I opted out before but you resumed the texts", "why did you sign me up again, i unsubscribed",
    "dont sign me up again i unsubscribed", "you started texting me again after I said stop",
]
NO_OPT_OUT = [
    "at the bus stop, text u later", "im at the stop, message you later", "you put me back on the old plan",
    "they put me on hold again", "you signed me up again for the insurance",
    "the bus stops near your office?", "which stop is closest to the branch", "my salary ended last month",
    "how do I quit the hardship program", "the call ended before I finished", "I was cut off, the call dropped",
    "how do I remove a joint borrower", "take the fee off please", "get this fee off my account",
    "can you take 50 off", "day off tomorrow so I can pay", "I'm off work sick",
    "I'd never leave you without payment", "no more than 100 a month", "I can't pay more than 50, no more",
    "enough money on friday", "is 50 enough", "don't worry I'll pay", "don't have the money", "never got the loan",
    "please don't charge me twice", "block of flats on king street", "别扣我的钱", "免得逾期我先还", "退不了款怎么办",
    "烦请告知余额", "麻烦查一下欠款", "拒收现金吗", "停止营业时间", "删除了app怎么还", "够不够还清", "不必担心",
    "不用还了吗", "取消不了自动扣款", "how do I end autopay", "when will the late fee end",
    "please remove the duplicate charge", "how do I remove a bank account", "cancel my appointment for tomorrow",
    "I need to cancel the transfer", "can I cancel the loan within 14 days", "my employer stopped paying me",
    "the ATM wouldn't stop beeping haha", "at the next bus stop see you in 5", "don't quit on me lol",
    "I stopped at the bank and paid", "can you block my lost card", "how to unsubscribe from the credit insurance",
    "I'll stop being late I promise", "I couldn't stop laughing at your joke",
    "pay stops on friday when my contract ends", "does the debit end when the loan is paid",
    "no more late payments from me I promise", "never mind I found it",
    "can you stop the letters going to my old address", "my deposit was refunded can I get it out",
    "is there any way to stop the interest growing", "leave a message with my husband",
    "delete that last message I sent wrong person", "退货退款找谁", "我退伍了", "能把多扣的退给我吗",
    "请取消我的自动还款", "怎么取消授权扣款", "停薪留职了", "不要担心明天就还", "别急马上还", "免费的吗",
    "不用了谢谢我已经还了", "不要算利息好吗", "能不能不要收违约金", "不要扣我信用卡", "信用卡停用了怎么还",
    "手机停机了刚看到", "我不要分期",
    # a fee, interest, a debit
    "how do I stop a late fee from being added? what is the grace period", "how do I stop the interest",
    "how can I stop the penalty charges", "how do i stop a late mark on my credit report",
    "how do I stop the debit on friday", "how to stop the bounce charge", "please stop the interest",
    "please stop the late fees", "can you stop my direct debit", "how do i stop my emi auto debit",
    "stop payment on the check", "I put a stop payment on that check", "what does a stop order cost",
    "stop order on my cheque please", "how do I stop this from hurting my credit",
    "how do I stop being charged twice", "how do I stop it from going to collections", "can I stop the repossession",
    "how do I avoid or stop penalties", "how do we stop the foreclosure", "stop charging me interest",
    "please stop the charges",
    # stop as a noun, or praise
    "Sorry that was meant for my sister, she's waiting at the tram stop", "I'm at the bus stop",
    "this is the last stop", "meet me at the next stop", "quick pit stop first", "full stop", "non-stop rain here",
    "it's been raining non stop", "we made a stop at the store", "at the train stop", "the truck stop on route 9",
    "pulled over at a rest stop", "The reminders are really useful, you lot never stop impressing me",
    "don't stop improving it", "never stop being this helpful", "don't ever stop what you're doing, great service",
    "you guys never quit, love it", "my app stopped working", "the website has stopped working",
    "the payment link stopped working", "my phone stopped working so I missed your call", "my pay stopped last month",
    "the benefits stopped",
    # end, cancel, quit, remove, block, unsubscribe from something else
    "cancel my order", "cancel my appointment", "cancel my card", "cancel my loan application", "cancel the debit",
    "I want to cancel the application", "please cancel my payment", "cancel my scheduled payment for friday",
    "cancel the payment plan", "end of the month", "I'll pay at the end of the month", "at the end of my contract",
    "I quit my job", "I had to quit work", "quit smoking last week", "remove the late fee", "remove the late mark",
    "please remove this from my credit report", "remove my card from the account", "remove my old bank account",
    "remove my co-signer", "remove my ex from the loan", "my bank blocked the payment", "my card is blocked",
    "block my card, it was stolen", "who blocked my account", "two blocks away", "unsubscribe me from autopay",
    "unsubscribe from payment protection", "opt out of arbitration", "opt out of the insurance",
    "opt me out of paperless billing", "delete my saved card", "delete my duplicate payment", "turn off autopay",
    "I can't stop worrying about this bill", "when does the interest stop", "when will the calls to my job stop",
    "take me off autopay", "stop by the branch", "I'll stop by the branch tomorrow", "remove me as a guarantor",
    "does it stop accruing if I pay today", "stop it from being charged off", "leave it with me",
    # the same in Chinese
    "欸我訂的蛋糕可以退嗎", "可以退吗", "我要退货", "退款什么时候到", "退票手续费多少", "退费怎么办理",
    "多扣的钱能退吗", "押金退了吗", "多缴的可以退给我吗", "退休金下来就还", "我退休了没有收入", "退保可以吗",
    "取消自动扣款", "取消我的订单", "取消贷款申请", "取消预约", "停止计息", "能不能停止计息", "停卡", "我要停卡",
    "帮我停掉自动扣款", "怎么停止罚息", "如何停止扣款", "停车场等你", "别停，继续加油", "拒绝方案", "我拒绝这个方案",
    "拒绝还款", "银行拒绝了我的转账", "买了件T恤", "3T硬盘多少钱", "N年没联系了", "TD银行转账可以吗",
    "我用TD银行还的", "会议还没结束,等会儿聊", "公交停了", "停电了", "停工了没有收入", "公司停业", "注销我的银行卡",
    "删除我的逾期记录", "删掉绑定的卡", "我的卡被封了", "账户被冻结", "取消分期", "结束了这个月就还",
    "我们结束营业了", "别客气", "别担心我会还", "不用谢", "不要紧", "不用找零", "免息期多久", "可以免罚息吗",
]
OPT_OUTS = [
    "I rescind my prior express consent", "I do not give you permission to message me",
    "please be advised that I no longer wish to be contacted via SMS", "my husband said stop texting",
    "grandma doesn't want these", "I'm over these messages", "no thanks, stop", "piss off with the texts",
    "do me a favor and stop", "can u pls stop with the texts", "kindly take my number off your database",
    "would it kill you to stop texting", "I never want another text from you", "please let this be the last text",
    "this better be the last message I get", "not another text please", "unsubscribed",
    "I have asked you three times to stop", "STOP STOP STOP", "END", "cancel", "quit", "Please end these messages",
    "请不要再以短信形式联系我", "我撤销接收营销和催收短信的授权", "本人撤回接收貴公司簡訊之同意", "別傳了",
    "不想再看到你們的簡訊", "咪煩我", "唔好再傳嘢嚟", "停止傳送", "能否停止发送", "可否不再发送", "退订短信",
    "取消订阅", "我不需要你们的信息", "把我拉黑吧", "别给我妈发短信了", "I do not authorize you to text this phone",
    "my consent to receive sms is hereby terminated", "pursuant to the TCPA I revoke consent",
    "per reg F stop contacting me by text", "she's asked you to stop messaging her",
    "he wants you to stop texting him", "take this number out of your system", "pls no more msgs",
    "no more texting ok", "nuff texts already", "ffs stop", "stahp", "yo quit blowin up my phone",
    "bro stop hitting my line", "don't hit me up again", "miss me with these texts", "I'm good on the texts thanks",
    "these need to stop", "this has to stop", "the texts have to stop", "make it stop",
    "would you be so kind as to stop messaging", "may I ask that you not text me",
    "I'd like to be removed from your list", "I want off this list", "please exclude this number from messaging",
    "I am exercising my right to opt-out", "I wish to unsubscribe", "I don't wanna hear from you no more",
    "stop it with the reminders", "no need to text me", "no need to remind me", "stop reminding me",
    "you can stop now", "you can stop texting", "kill these notifications", "please cease and desist",
    "put me on your do not contact list", "add me to the do not call list", "不要再煩我了", "求你们别发了",
    "我要求你们停止发送", "不再接收你们的信息", "别给我发这些", "麻烦把我从名单移除", "唔好煩我", "停止發送簡訊給我",
    "請將我從發送名單中刪除", "可以麻煩你們不要再傳了嗎", "以后不要联系我", "拜托别再发短信了", "短信退订",
    "我老婆不想收到你们的信息", "依法要求停止发送短信", "停止吧", "不需要提醒", "不用提醒我", "不用再通知我了",
    "I withdraw my consent to texts", "I revoke my consent", "I hereby revoke any consent to be contacted by text",
    "consent withdrawn", "my consent is withdrawn", "consent revoked", "I no longer consent",
    "you no longer have my permission", "you do not have my permission to text me",
    "I retract my permission to message me", "I am withdrawing consent for SMS", "permission to text is revoked",
    "please treat this as a withdrawal of consent", "I object to receiving these messages",
    "I object to this processing of my number for messages", "kindly cease texting", "would you kindly cease texting",
    "you are hereby instructed to cease messaging this number", "please refrain from further messages",
    "kindly desist from sending further communications", "I request that you discontinue all messages",
    "she does not want your messages", "he doesn't want these texts", "my mother doesn't want your texts",
    "my wife does not wish to receive these messages", "they don't want to be texted",
    "we do not want your messages here", "enough with the texts", "enough with the messages already", "no more",
    "no more please", "no more of these", "no more of this", "give it a rest", "give it a rest with the texts",
    "enough already", "enough is enough with these messages", "that's enough texts", "knock it off with the texts",
    "cut it out with the messages", "quit it", "pack it in with the texts", "leave off with the texts",
    "I'd rather not get these", "I'd prefer not to receive these texts", "could you please not text me",
    "can you not text me", "can you stop please", "could you stop messaging",
    "would it be possible to stop receiving these", "is it possible to stop these texts",
    "if you don't mind, stop the messages", "would you mind not sending these anymore",
    "I'd appreciate it if you stopped texting me", "I would be grateful if you would stop sending texts",
    "these messages are unwanted", "your texts are not welcome", "unwanted texts, stop", "lay off the texts",
    "I don't need your texts", "I've had enough of your texts", "sick of these texts", "I'm done with your texts",
    "get me off this list", "off your list please", "spare me the texts", "撤回短信接收同意", "撤回同意",
    "撤回接收短信的同意", "收回授权", "收回我的授权", "撤銷同意", "撤銷我的授權", "我撤回之前的同意", "不同意再接收",
    "不再同意接收短信", "不同意你们再发短信", "取消短信授权", "收回短信授權", "不再授权你们发短信", "唔好再send",
    "唔使再發", "唔好再發喇", "唔使再send俾我", "唔想再收", "唔想收你哋啲訊息", "咪再發", "唔該唔好再發短訊",
    "能不能不要再发了", "可不可以不要再发", "可以不要再发短信了吗", "可唔可以唔好再發", "麻烦不要再发了好吗",
    "能别发了吗", "请贵司停止向本人发送短信", "本人不愿再接收贵司信息", "兹要求停止发送", "请勿再向此号码发送",
    "我妈不想再收到你们的短信", "她不想收到这些短信", "够了别发了", "烦死了别发了", "消停点吧别发了",
    "有完没完，别发了", "不要再來簡訊了", "到此为止，别再发", "短信太烦了，关掉", "恕不接收", "谢绝短信", "谢绝打扰",
    "拒绝接收", "拒收", "不接收了",
]
TURNED_OFF = [
    "can you mute the messages", "please switch off notifications", "turn them off", "how do I switch off these",
    "turn the payment reminders off", "I want the alerts turned off", "how do I mute these texts", "短信怎么关",
    "怎么把提醒关了", "能关闭通知吗", "簡訊可以關掉嗎", "提醒关了行不行", "麻烦关一下短信", "短信提醒给我关了吧",
    "訊息太多了 全部取消", "🚫短信", "憋再发了", "鳖再给我发短信", "退丁", "推订", "回了TD怎么还发",
    "本人不欲再接收貴公司短訊", "if I text STOP will you leave me alone", "what do I text to stop this",
    "why don't you stop texting me", "my dad has died, do not send to this number any more",
    "我爸已经走了,请不要再往这个号发消息了", "天天发短信有完没完",
]
GO_ON = [
    "don't stop texting me", "please don't stop the reminders, they're really useful", "keep them coming",
    "I don't want you to stop texting me", "can I have the payment texts back", "I regret unsubscribing",
    "I stopped the texts last month but I'd like them back now", "别停,短信提醒继续发", "簡訊不要停,我靠它記繳款日",
    "我不退订,接着发", "怎么不给我发还款短信了,给我恢复", "把短信打开吧,之前退订了现在后悔了", "幸好没退订,多亏提醒",
]
ASKS_OF_STOP = [
    "you said reply STOP, what does that do?", "what happens if I text STOP", "does replying STOP cost anything",
    "what does STOP mean", "TD是什么意思", "你们说回T退订,回了会怎么样", "上面寫回覆STOP,那是幹嘛用的", "退订要钱吗",
]
NOT_TEXTS = [
    "stop sending goons to my house", "stop phoning my boss", "stop ringing my mum",
    "stop treating customers like dirt",
    "別再派人來我家", "請停止恐嚇我", "不要再威胁我",
]
PLAIN = [
    *((text, Intent.QUESTION) for text in ASKS_OF_STOP), *((text, Intent.COMPLAINT) for text in NOT_TEXTS),
    ("I'm disputing this, the balance you've got is incorrect", Intent.DISPUTE),
    ("I dispute the amount", Intent.DISPUTE), ("disputing the balance you show", Intent.DISPUTE),
    ("What's the BPAY code?", Intent.QUESTION), ("what is the biller code", Intent.QUESTION),
    ("whats the sort code for transfers", Intent.QUESTION), ("I want foreclosure amount", Intent.SERVICE),
    ("foreclosure amount please", Intent.SERVICE), ("提前結清的金額是多少？", Intent.SERVICE),
    ("提前还清要多少钱", Intent.SERVICE), ("我要客訴", Intent.COMPLAINT), ("我要投訴", Intent.COMPLAINT),
    ("I want to make a complaint", Intent.COMPLAINT), ("你们的App做得很棒", Intent.FEEDBACK),
    ("你們的服務很好", Intent.FEEDBACK),
    ("I love the new website, so much faster than before, don't stop improving it", Intent.FEEDBACK),
    ("The reminders are really useful, you lot never stop impressing me", Intent.FEEDBACK),
    ("great app, love it", Intent.FEEDBACK), ("My brother never stops talking haha sorry wrong chat", Intent.OTHER),
    ("oops wrong chat", Intent.OTHER), ("欸我訂的蛋糕可以退嗎", Intent.OTHER),
    ("会议还没结束,等会儿聊", Intent.OTHER),
    ("what are my options for replying to this text? what words do I send", Intent.HELP),
]
YES = [
    "sure, why not", "that would be great", "yes that would work", "好，麻烦你了", "yes", "Yes.", "Yeah", "yes pls",
    "YES PLEASE", "yep", "yup", "ok", "OK!", "okay", "sure", "sure thing", "y", "Y", "ye", "aye", "ok thanks",
    "yes thank you", "yes I would", "yes I do", "yes that works for me", "sounds good to me", "that's fine",
    "fine by me", "go for it", "let's do it", "I accept", "accept", "accepted", "I agree to that", "I'll take it",
    "happy with that", "all good", "count me in", "you bet", "by all means", "okie dokie", "righto", "no problem",
    "no worries", "works for me", "please do", "👍", "是", "可以", "好", "好的", "好啊", "好呀", "行", "行啊",
    "没问题", "OK", "ok的", "可以的谢谢", "是的谢谢", "对", "對", "同意", "我同意", "接受", "我接受", "好，就这样",
    "就这样吧", "没意见", "當然可以", "可以啊", "好喔", "得", "系", "係呀", "冇問題", "嗯", "嗯好", "成", "中",
]
NO = [
    "no sorry", "none of the above", "不行，太多了", "没办法", "I can't afford any", "no", "No.", "nope", "nah",
    "no thanks", "no thank you", "not for me", "I can't do that", "that doesn't work for me", "no good",
    "none of them", "none of those work", "neither", "not interested", "I decline", "n", "N", "pass", "no way",
    "can't do any of those", "不", "不要", "不行", "不可以", "不是", "不用", "不用了", "不同意", "我不同意", "不接受",
    "都不要", "都不行", "都不合适", "唔得", "唔要", "唔好", "算了", "算了吧", "不了", "不了谢谢", "没一个合适的",
    "拒绝", "我拒绝", "做不到", "唔制",
]
# fmt: on


@pytest.mark.parametrize("text", UNDONE)
def test_a_mistaken_opt_out_is_undone(text: str) -> None:
    assert read(text).intent is Intent.OPT_IN


@pytest.mark.parametrize("text", [*OPT_OUTS, *STILL_OPT_OUT, *CAME_BACK, *TURNED_OFF])
def test_an_opt_out_in_any_words(text: str) -> None:
    assert read(text).intent is Intent.OPT_OUT


@pytest.mark.parametrize("text", GO_ON)
def test_who_wants_the_texts_to_go_on_is_not_opted_out(text: str) -> None:
    assert read(text).intent in (Intent.OPT_IN, Intent.FEEDBACK)


@pytest.mark.parametrize("text", NO_OPT_OUT)
def test_what_is_said_of_something_else_is_no_opt_out(text: str) -> None:
    assert read(text).intent is not Intent.OPT_OUT


@pytest.mark.parametrize(("text", "intent"), PLAIN)
def test_what_is_plain(text: str, intent: Intent) -> None:
    assert read(text).intent is intent


def test_what_a_service_and_a_question_are_about() -> None:
    assert read("I want foreclosure amount").topic is Topic.PAYOFF
    assert read("提前結清的金額是多少？").topic is Topic.PAYOFF
    assert read("What's the BPAY code?").topic is Topic.HOW_TO_PAY


@pytest.mark.parametrize("text", YES)
def test_yes_to_one_offer_takes_it_and_to_several_asks_which(text: str) -> None:
    for asked, choice in ((Asked(offers=1), 1), (Asked(offers=3), None), (Asked(confirms=True), 1)):
        found = read(text, asked)
        assert (found.intent, found.choice) == (Intent.CHOICE, choice)
    assert read(text).intent is not Intent.CHOICE


@pytest.mark.parametrize("text", NO)
def test_no_refuses_every_offer(text: str) -> None:
    for asked in (Asked(offers=1), Asked(offers=3)):
        found = read(text, asked)
        assert (found.intent, found.choice) == (Intent.CHOICE, 0)


@pytest.mark.parametrize("asked", [Asked(offers=1), Asked(offers=3), Asked(confirms=True)])
@pytest.mark.parametrize("text", ["STOP", "退订", "TD", "stop texting me", "别再发了", "unsubscribe"])
def test_an_opt_out_is_heard_where_an_answer_is_expected(text: str, asked: Asked) -> None:
    assert read(text, asked).intent is Intent.OPT_OUT


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("i quit smoking so i have the money now lol, paying $75 tomorrow", date(2026, 3, 3)),
        ("can't talk right now, I'll pay on Friday", date(2026, 3, 6)),
        ("I'm broke today but will pay tomorrow", date(2026, 3, 3)),
        ("现在没空，明天还2000", date(2026, 3, 3)),
        ("paying now", TODAY),
        ("will pay today or tomorrow", TODAY),
    ],
)
def test_the_now_of_another_clause_is_not_the_day(text: str, on: date) -> None:
    assert read(text).on == on


# fmt: off
IN_A_SENTENCE = [
    "No more. Seriously.", "I paid on the 1st. Stop.", "Not interested. Bye.", "Will pay on the 20th. STOP",
    "Dad died. Please stop", "okay I get it. no more texts", "我知道了。停止。", "我爸不在了，别再发了",
]
OF_ANOTHER = [
    "don't text mom she's asleep", "no texts from him all day", "he opted out of the trip",
    "she unsubscribed from my channel",
    "unsubscribe me from the credit protection plan", "tell him to leave me alone haha", "take me off speaker",
    "no more wine for me", "wait for the rain to stop", "stop and smell the roses", "do not send me to collections",
    "remove my phone number as my username and use email",
    "把他拉黑了哈哈", "别发脾气", "不要发给别人看", "怎么不接电话",
    "请停止收取罚息", "自动扣款停了吧", "不要骚扰我亲戚", "不要把我列入黑名单",
]
IN_OTHER_WORDS = [
    "what part of stop don't you understand", "next message = lawsuit",
    "if you text me again I will sue", "can you not",
    "who gave you permission to text me", "still getting texts after I said stop", "st0p", "stoooop", "pls stp",
    "email is fine, texts are not", "prefer phone calls, not texts", "cease & desist", "you were told to stop",
    "怎么才能不再收到短信", "未经我同意不得发短信", "再骚扰我就报警", "唔好搞我啦", "把我拉出名单吧",
    "不接受短信", "T T T",
    "itigil", "wag na po mag text", "해지", "quitar", "batalkan", "बंद करो",
]
# fmt: on


@pytest.mark.parametrize("text", [*IN_A_SENTENCE, *IN_OTHER_WORDS])
def test_an_opt_out_in_a_sentence_or_in_other_words(text: str) -> None:
    assert read(text).intent is Intent.OPT_OUT


@pytest.mark.parametrize("text", OF_ANOTHER)
def test_what_is_said_to_or_of_another_is_no_opt_out(text: str) -> None:
    assert read(text).intent is not Intent.OPT_OUT


@pytest.mark.parametrize(
    ("text", "on", "amount"),
    [
        ("I'll pay it a week from Friday", date(2026, 3, 13), None),
        ("I'll pay by the weekend", date(2026, 3, 7), None),
        ("I'll pay within 48 hours", date(2026, 3, 4), None),
        ("I'll pay at the beginning of next month", date(2026, 4, 1), None),
        ("200 now and 300 on Friday, I promise", date(2026, 3, 2), "200"),
        ("ref 90210 will pay tomorrow", date(2026, 3, 3), None),
        ("I've been a customer since 2019, I'll pay Monday", date(2026, 3, 9), None),
        ("call me at 555-0142, I'll pay friday", date(2026, 3, 6), None),
        ("Can I pay $120.50 on 15 March?", date(2026, 3, 15), "120.50"),
        ("先还1千2，周五", date(2026, 3, 6), "1200"),
        ("1万5月底还", date(2026, 3, 31), "15000"),
        ("能不能周五还", date(2026, 3, 6), None),
        ("年底前还完", date(2026, 12, 31), None),
        ("I will pay on 2/30", None, None),
    ],
)
def test_days_that_are_counted_and_figures_that_are_no_amounts(text: str, on: date | None, amount: str | None) -> None:
    found = read(text)
    assert found.intent is Intent.PROMISE
    assert found.on == on
    assert found.amount == (Decimal(amount) if amount else None)


@pytest.mark.parametrize(
    "text", ["paid via check 1042", "I already paid, confirmation # 7781234", "paid in full in 2023"]
)
def test_what_names_a_payment_is_no_amount(text: str) -> None:
    assert read(text).amount is None


@pytest.mark.parametrize(
    "piece", ["stop the ", "do not ", "别再", "请把我从名单里", "1,", "$1", "twenty ", "s.t.o.p", "两千"]
)
def test_no_text_is_read_for_long(piece: str) -> None:
    started = time.process_time()
    read(piece * (10_000 // len(piece)))
    assert time.process_time() - started < 0.5
