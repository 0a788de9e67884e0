"""The words Dunlin uses: states, reasons, channels, purposes. The identifiers are stored, so they are never renamed."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """How a message reaches a person."""

    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"
    WECHAT = "wechat"
    WHATSAPP = "whatsapp"


#: Channels that say another one's words: those are reviewed once.
_SAID_AS = {Channel.WHATSAPP: Channel.SMS}
#: Channels whose addresses are telephone numbers, and on which people answer.
WRITTEN_TO_NUMBERS = frozenset({Channel.SMS, Channel.WHATSAPP})


def said_as(channel: Channel) -> Channel:
    """The channel whose words are said on this one: WhatsApp says what a text message says."""
    return _SAID_AS.get(channel, channel)


class Purpose(StrEnum):
    """Why a message is sent; consent, caps, hours and opt-outs are rules about purposes."""

    SERVICE = "service"  # what happened on an application or account: nothing is asked for
    SERVICING = "servicing"  # reminders before and on the due date
    COLLECTION = "collection"  # anything about an amount that is overdue
    MANDATORY = "mandatory"  # a notice that a law requires on this channel
    REPLY = "reply"  # the answer to a text the borrower sent
    MARKETING = "marketing"  # promotions, only with consent


class PartyRole(StrEnum):
    """What somebody is to the loan. Nobody else can be addressed."""

    PRIMARY = "primary"
    CO_BORROWER = "co_borrower"
    GUARANTOR = "guarantor"
    REPRESENTATIVE = "representative"


class Product(StrEnum):
    """What kind of loan it is: contact strategies are for products."""

    CARD = "card"
    INSTALMENT = "instalment"
    EDUCATION = "education"
    MEDICAL = "medical"
    MORTGAGE = "mortgage"


class LoanStatus(StrEnum):
    """Where a loan stands at the core. Only OPEN is spoken about."""

    OPEN = "open"
    CLOSED = "closed"
    SOLD = "sold"
    PLACED = "placed"  # with an agency: they speak, we do not
    CHARGED_OFF = "charged_off"


class HoldKind(StrEnum):
    """What stops everything, or what stops dunning. Each carries source and expiry."""

    PROMISE = "promise"
    PLAN = "plan"
    DISPUTE = "dispute"
    HARDSHIP = "hardship"
    BANKRUPTCY = "bankruptcy"
    ATTORNEY = "attorney"
    CEASE_REQUEST = "cease_request"
    DECEASED = "deceased"
    BEREAVEMENT = "bereavement"
    IDENTITY_THEFT = "identity_theft"
    MILITARY = "military"
    DISASTER = "disaster"
    LITIGATION = "litigation"
    TIME_BARRED = "time_barred"
    VULNERABLE = "vulnerable"
    MINOR = "minor"
    WRONG_NUMBER = "wrong_number"
    COMPLAINT = "complaint"
    PAID_CLAIMED = "paid_claimed"  # says that the money was sent: looked for before anything else is said
    CRISIS = "crisis"  # words of self-harm: nothing but help, by a person
    ERASED = "erased"  # asked to be forgotten: nothing is sent any more, and nobody lifts it


class StopSource(StrEnum):
    """Who says that a stop begins or ends. `expiry` and `payment` only end one: nobody has to say it."""

    CORE = "core"
    BORROWER = "borrower"
    REPRESENTATIVE = "representative"  # an attorney, a counsellor, an heir
    STAFF = "staff"
    COMPLIANCE = "compliance"
    CARRIER = "carrier"
    COURT = "court"
    EXPIRY = "expiry"
    PAYMENT = "payment"


class UnderStop(StrEnum):
    """What an open escalation does while a stop is in force."""

    GOES_ON = "goes_on"
    WAITS = "waits"
    ENDS = "ends"  # a person takes it from here


class SendingMode(StrEnum):
    """Whether what is decided is also sent. In shadow everything is decided, worded, judged and recorded, and no
    provider hears of it."""

    LIVE = "live"
    SHADOW = "shadow"


class PauseScope(StrEnum):
    """How much a pause stops."""

    EVERYTHING = "everything"
    BRAND = "brand"
    LINE = "line"
    TEMPLATE = "template"


class MessageState(StrEnum):
    """A message's life. A move is one conditional write, forward only."""

    REQUESTED = "REQUESTED"
    DUE = "DUE"
    RENDERED = "RENDERED"
    RESERVED = "RESERVED"
    SENT = "SENT"
    UNSETTLED = "UNSETTLED"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    SUPPRESSED = "SUPPRESSED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


TERMINAL = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.UNKNOWN,
        MessageState.SUPPRESSED,
        MessageState.EXPIRED,
        MessageState.CANCELLED,
    }
)
#: Before the reservation: nothing has touched a provider, so a message can still be stopped.
STOPPABLE = frozenset({MessageState.REQUESTED, MessageState.DUE, MessageState.RENDERED})
#: A provider may have it: only a report, or time, settles it.
IN_FLIGHT = frozenset({MessageState.RESERVED, MessageState.SENT, MessageState.UNSETTLED})


class Reason(StrEnum):
    """Why a message is in its state. Every terminal message has one."""

    # went on its way
    STAGE_DUE = "stage_due"
    REPLY_DUE = "reply_due"
    NOTICE_DUE = "notice_due"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    # not sent: the borrower's and the law's reasons
    OPTED_OUT = "opted_out"
    NO_CONSENT = "no_consent"
    NOT_VERIFIED = "not_verified"  # nobody made sure that the number is this person's: no debt detail goes there
    NOT_WANTED = "not_wanted"  # the person asked for other channels
    QUIET_HOURS = "quiet_hours"
    CAP = "cap"
    HOLD = "hold"
    HOLDOUT = "holdout"  # left out by hash, so that what a stage does can be measured
    FORBIDDEN = "forbidden"  # what is never said, at no hour: an offer to somebody in arrears
    NOT_A_PARTY = "not_a_party"
    # not sent: facts moved
    PAID = "paid"
    PAYMENT_PENDING = "payment_pending"
    PLAN_AGREED = "plan_agreed"  # what it would ask for is in a plan
    LOAN_NOT_OPEN = "loan_not_open"
    STALE_BALANCE = "stale_balance"
    DEAF = "deaf"
    OVERTAKEN = "overtaken"
    FACTS_CHANGED = "facts_changed"
    # not sent: ours
    NO_CONTACT_POINT = "no_contact_point"
    NO_TEMPLATE = "no_template"
    NO_ROUTE = "no_route"
    CONTENT_NOT_LIVE = "content_not_live"
    FIGURES_MISMATCH = "figures_mismatch"
    TOO_LONG = "too_long"
    LINE_STOPPED = "line_stopped"
    LINE_FULL = "line_full"
    PAUSED = "paused"
    CEILING = "ceiling"
    WINDOW_CLOSED = "window_closed"
    NOT_RELEASED = "not_released"
    NOT_ON_ALLOW_LIST = "not_on_allow_list"  # outside production only listed recipients are reachable
    SHADOW = "shadow"  # everything but sent: it would have gone at this moment, in these words
    # the provider's answers
    THROTTLED = "throttled"
    NOT_CONNECTED = "not_connected"
    TIMED_OUT = "timed_out"
    PROVIDER_ERROR = "provider_error"
    PROCESS_LOST = "process_lost"
    PROVIDER_OPTED_OUT = "provider_opted_out"
    NUMBER_NOT_VERIFIED = "number_not_verified"
    COUNTRY_BLOCKED = "country_blocked"
    PRICE_OVER_THRESHOLD = "price_over_threshold"
    SPEND_LIMIT = "spend_limit"
    FAILURES = "failures"
    ACCESS_DENIED = "access_denied"
    INVALID_NUMBER = "invalid_number"
    NOT_FOLLOWING = "not_following"  # whoever follows the service account no longer, or is blocked there
    ENDPOINT_DISABLED = "endpoint_disabled"  # the app is no longer on that device, or takes no notifications
    REFUSED_BY_PROVIDER = "refused_by_provider"
    # reports
    UNREACHABLE = "unreachable"
    CARRIER_UNREACHABLE = "carrier_unreachable"
    BLOCKED = "blocked"
    CARRIER_BLOCKED = "carrier_blocked"
    SPAM = "spam"
    INVALID_MESSAGE = "invalid_message"
    TTL_EXPIRED = "ttl_expired"
    BOUNCED = "bounced"
    NO_REPORT = "no_report"


class CaseOutcome(StrEnum):
    """How an escalation ended."""

    CURED = "cured"
    REFERRED = "referred"
    OPTED_OUT = "opted_out"
    CLOSED = "closed"  # the loan left us: sold, placed, closed by the core
    AGREED = "agreed"  # a plan was agreed: what it is about is asked for by nobody while it is kept to


class CaseStatus(StrEnum):
    """An open case has an execution; an ended one has an outcome."""

    OPEN = "open"
    ENDED = "ended"
