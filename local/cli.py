"""The `dunlin` command: the whole system on one machine.

Exit codes: 0 a good run, 1 a run in which something was found, 2 something was asked for that cannot be done.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

app = typer.Typer(
    name="dunlin",
    help="A lender's loan messages: the whole system on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

_STDOUT = Path("-")


class FaultProfile(StrEnum):
    """How the providers behave."""

    NONE = "none"
    LIGHT = "light"
    HEAVY = "heavy"


class ReplayJurisdiction(StrEnum):
    """Whose rules the replayed accounts live under."""

    CN = "CN"
    US_NY = "US-NY"
    US_MA = "US-MA"
    GB = "GB"


JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the figures as JSON; - is standard output."),
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", dir_okay=False, help="Write a page to read, as HTML.")
]
EvidenceOption = Annotated[
    Path | None, typer.Option("--evidence", metavar="DIR", file_okay=False, help="Keep what the auditor judged.")
]


ContentOption = Annotated[
    Path | None, typer.Option("--dir", help="The content to work on.", exists=True, file_okay=False)
]


class LintFormat(StrEnum):
    """How `dunlin lint` writes what it found."""

    TEXT = "text"
    GITHUB = "github"


@app.callback()
def _dunlin() -> None:
    """A lender's loan messages: the whole system on one machine."""


@app.command()
def demo(
    borrowers: Annotated[int, typer.Option(min=1, max=100_000, help="How many borrowers.")] = 44,
    days: Annotated[int, typer.Option(min=1, max=1000, help="How many days pass.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 1,
    provider_faults: Annotated[
        FaultProfile, typer.Option(help="What goes wrong at the providers.")
    ] = FaultProfile.LIGHT,
    json_file: JsonOption = None,
    report: ReportOption = None,
    evidence: EvidenceOption = None,
) -> None:
    """Let an invented portfolio live through its months, and judge everything that was sent."""
    from dunlin.errors import ContentError

    from local.commands.tables import show_summary
    from local.demo import Demo, run_demo

    console = _console(json_file)
    try:
        _prepare(json_file, report)
        with _passing("Virtual time") as passed:
            judged = run_demo(Demo(borrowers, days, seed, str(provider_faults), evidence), passed)
        _write(judged.summary, judged.conversations, json_file, report)
    except OSError as error:
        _cannot(_about_file(error))
    except ContentError as error:
        _cannot(str(error))
    if not judged.content.live:
        _warn(f"The content is not released ({judged.content.not_live_because}): nothing may be sent.")
    show_summary(console, judged.summary, judged.broken)
    _say_where(console, judged.evidence, report)
    raise typer.Exit(1 if judged.broken else 0)


@app.command()
def serve(
    minutes: Annotated[int, typer.Option(min=1, max=480, help="It stops by itself after so many.")] = 30,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any that is free.")] = 0,
) -> None:
    """The borrower's page on this machine: prints links of invented borrowers, and what to answer."""
    import time

    from local.commands.serve import SAMPLES, serving

    ends = time.monotonic() + minutes * 60
    try:
        with serving(port) as served:
            for sample in SAMPLES:
                typer.echo(f"{sample.name} ({sample.locale}): {served.link(sample)}\n  answer: {sample.born}")
            typer.echo(f"For {minutes} minutes, on this machine only. Ctrl-C ends it earlier.")
            served.run(lambda: time.monotonic() >= ends)
    except KeyboardInterrupt:
        typer.echo("Ended.")
    except OSError as error:
        _cannot(_about_file(error))


@app.command()
def bench(
    borrowers: Annotated[int, typer.Option(min=1, max=10_000, help="How many borrowers.")] = 60,
    days: Annotated[int, typer.Option(min=3, max=90, help="How many days pass.")] = 6,
    built: Annotated[bool, typer.Option(help="Start-up and sizes too, of what `make build` left.")] = True,
    json_file: JsonOption = None,
) -> None:
    """Measure operations, cost, processor time, start-up and sizes, each beside something to compare it with."""
    from local.bench.portfolio import Setting
    from local.bench.start import NotBuiltError
    from local.commands.bench import measure, show

    console = _console(json_file)
    try:
        _prepare(json_file)
        results, found = measure(Setting(borrowers, days), built=built)
    except NotBuiltError as error:
        _cannot(str(error))
    except OSError as error:
        _cannot(_about_file(error))
    _write(results | {"broken": found}, [], json_file, None)
    show(console, results, found)
    raise typer.Exit(1 if found else 0)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Accounts: six months of balances and payments.")],
    accounts: Annotated[int, typer.Option(min=0, help="How many accounts also go through the whole pipeline.")] = 0,
    jurisdiction: Annotated[
        ReplayJurisdiction, typer.Option(help="Whose rules they live under.")
    ] = ReplayJurisdiction.US_NY,
    seed: Annotated[int, typer.Option(help="Of what the file leaves open.")] = 1,
    json_file: JsonOption = None,
    report: ReportOption = None,
    evidence: EvidenceOption = None,
) -> None:
    """Decide real accounts, every one of them, and send to some of them in the embedded world."""
    from dunlin.errors import ContentError

    from local.commands.tables import show_decided, show_summary
    from local.portfolio.replay import ReplayDataError
    from local.replay import NothingToReplay, Replay, replay_summary, run_decisions, run_pipeline

    console = _console(json_file)
    plan = Replay(file, accounts, str(jurisdiction), seed, evidence)
    judged = None
    try:
        _prepare(json_file, report)
        with _passing("Deciding") as passed:
            every, decided = run_decisions(plan, passed)
        show_decided(console, decided)
        if accounts:
            with _passing("Virtual time") as passed:
                judged = run_pipeline(plan, every, passed)
        summary = replay_summary(plan, decided, judged)
        _write(summary, judged.conversations if judged is not None else [], json_file, report)
    except ReplayDataError as error:
        _cannot(f"{file}: {error}")
    except UnicodeDecodeError:
        _cannot(f"{file}: is not UTF-8 text")
    except csv.Error as error:
        _cannot(f"{file}: is not CSV: {error}")
    except NothingToReplay as error:
        _cannot(f"{file}: {error}")
    except OSError as error:
        _cannot(_about_file(error))
    except ContentError as error:
        _cannot(str(error))
    if judged is not None:
        show_summary(console, summary, judged.broken)
        _say_where(console, judged.evidence, report)
    raise typer.Exit(1 if judged is not None and judged.broken else 0)


@app.command()
def chaos(
    seed: Annotated[int, typer.Option(help="The same seed gives the same storms.")] = 1,
    minutes: Annotated[float, typer.Option(min=0, help="No round begins after these; the last one is finished.")] = 1.0,
    rounds: Annotated[int | None, typer.Option(min=1, help="So many rounds, however long they take.")] = None,
    only_round: Annotated[int | None, typer.Option(min=0, help="Just this one of the rounds, again.")] = None,
    borrowers: Annotated[int, typer.Option(min=1, max=200, help="The most people in a round.")] = 14,
    days: Annotated[int, typer.Option(min=2, max=200, help="The most stormy days in a round.")] = 26,
    json_file: JsonOption = None,
    evidence: EvidenceOption = None,
) -> None:
    """Storm after storm: everything that can fail does, and every promise has to hold."""
    from dunlin.errors import ContentError

    from local.chaos import totals_of
    from local.commands.chaos import (
        Chaos,
        NotReleased,
        chaos_summary,
        heading,
        run_chaos,
        show_round,
        show_totals,
    )
    from local.summary import dumped

    console = _console(json_file)
    plan = Chaos(seed, minutes, rounds, only_round, borrowers, days, evidence)
    try:
        _prepare(json_file)
        console.print(heading(), soft_wrap=True)
        results = run_chaos(plan, lambda result: show_round(console, plan, result))
        if json_file is not None:
            text = dumped(chaos_summary(plan, results))
            _ = sys.stdout.write(text) if json_file == _STDOUT else json_file.write_text(text, encoding="utf-8")
    except NotReleased as error:
        _cannot(f"The content is not released ({error}): nothing would be sent.")
    except OSError as error:
        _cannot(_about_file(error))
    except ContentError as error:
        _cannot(str(error))
    totals = totals_of(results)
    show_totals(console, totals)
    raise typer.Exit(1 if totals.failed else 0)


@app.command()
def explore(
    world: Annotated[str | None, typer.Option(metavar="NAME", help="One small world, not all of them.")] = None,
    without: Annotated[str | None, typer.Option(metavar="GUARD", help="Take a guard of the design away.")] = None,
    crashes: Annotated[
        int | None, typer.Option(min=0, max=4, help="How many processes die (as each world says).", show_default=False)
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Walk all orders of the small worlds, and look for one in which a promise is broken."""
    from local.commands import explore as exploring

    try:
        _prepare(json_file)
        explored = exploring.explore(world, without, crashes, _console(json_file))
        exploring.write(explored, json_file)
    except exploring.UnknownName as error:
        _cannot(str(error))
    except OSError as error:
        _cannot(_about_file(error))
    raise typer.Exit(1 if any(done.found is not None for done in explored) else 0)


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def content(context: typer.Context) -> None:
    """Check, read and release what the system may say."""
    from local import content_command

    content_command.app(args=context.args, prog_name="dunlin content")


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def release(context: typer.Context) -> None:
    """Say who approved what, what is filed and what is live; move the present files along."""
    from local.commands import releasing

    releasing.app(args=context.args, prog_name="dunlin release")


@app.command()
def segments(
    jsonl: Annotated[bool, typer.Option("--jsonl", help='One {"text": …} a line in, one answer a line out.')] = False,
) -> None:
    """Say how many parts the text on standard input takes as a text message, as JSON.

    The answer is {"encoding", "characters", "parts", "per_part"}: GSM-7, whose characters are septets (an extension
    character takes two), or UCS-2, whose characters are UTF-16 code units (one beyond the basic plane takes two). What
    takes two is never cut in half.

    The text is UTF-8. One line break at its very end is not counted, because a shell puts it there; with --jsonl the
    text is exactly what the line says.
    """
    from local.commands import counting

    raise typer.Exit(counting.run(sys.stdin.buffer, sys.stdout, jsonl=jsonl))


@app.command()
def understand(
    locale: Annotated[
        str | None, typer.Option(metavar="LOCALE", help="The borrower's, such as en-GB or zh-TW. [default: unknown]")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="ISO-8601", help="The borrower's local date. [default: today, here]")
    ] = None,
    dialogue: Annotated[
        str | None, typer.Option(help="What was asked before: offers=3, confirm or rating. [default: nothing]")
    ] = None,
) -> None:
    """Say what texts ask for: one text a line on standard input, one JSON object a line out.

    The answer is {"intent", "confidence", "language"}, with "amount" and "on" where a promise names them (the amount
    also of a payment and of a plan), "topic" where there is one, and "choice" in an open dialogue: the number chosen,
    0 for no.
    """
    from local.commands import understanding

    raise typer.Exit(understanding.run(sys.stdin.buffer, sys.stdout, locale=locale, at=at, dialogue=dialogue))


@app.command("train-intents")
def train_intents(
    corpus: Annotated[
        Path, typer.Argument(help="A folder of labelled texts, JSON lines.", exists=True, file_okay=False)
    ],
    directory: ContentOption = None,
) -> None:
    """Make the weights of `dunlin understand` anew from labelled texts. What changed has to be signed again."""
    from dunlin.errors import ContentError

    from local.commands import understanding
    from local.commands.asking import CONTENT

    try:
        count, right = understanding.retrain(corpus, directory or CONTENT)
    except OSError as error:
        _cannot(_about_file(error))
    except ContentError as error:
        _cannot(str(error))
    typer.echo(f"{count} texts, {right:.1%} of them read right. Sign the content.")


@app.command()
def allowed(
    jurisdiction: Annotated[
        str | None, typer.Option(metavar="CODE", help="The place: CN, US, US-MA, GB, AU, KR, IN, ID, PH, …")
    ] = None,
    purpose: Annotated[
        str | None, typer.Option(help="service, reminder, collection, mandatory_notice, promotion or reply.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="sms, email, push, voice, whatsapp or letter.")] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="ISO-8601", help="When it would be felt; without an offset on the clock of the one zone."),
    ] = None,
    zone: Annotated[
        list[str] | None,
        typer.Option(help="A zone the person may be in; may be repeated, and all must allow. [default: the place's]"),
    ] = None,
    days_overdue: Annotated[int, typer.Option(help="How long the debt is overdue.")] = 0,
    region: Annotated[str | None, typer.Option(metavar="CODE", help="A part of the country: MA, NYC, NSW, …")] = None,
    capacity: Annotated[str, typer.Option(help="Who asks: creditor, servicer or collector.")] = "collector",
    contact: Annotated[
        list[str] | None,
        typer.Option(metavar="'AT CHANNEL [PURPOSE]'", help="An earlier contact about the debt; may be repeated."),
    ] = None,
    consent: Annotated[
        list[str] | None,
        typer.Option(
            help="A purpose the person agreed to, or a consent that a rule names, such as any_hour; may be repeated. "
            "[default: every purpose]"
        ),
    ] = None,
    no_consent: Annotated[bool, typer.Option("--no-consent", help="The person agreed to nothing.")] = False,
    own: Annotated[bool, typer.Option("--own", help="Ask the lender's own policy too, beyond the law.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One question a line in, one answer a line out.")] = False,
    directory: ContentOption = None,
) -> None:
    """Say whether the rules of a place let somebody be contacted then, which rules, and if not, when.

    The answer is {"allowed", "rule_ids", "next_allowed_at"}, with "draft": true where nobody has reviewed the rules.
    The rules are those that stopped it, or those that were asked; where nobody reviewed the law, "unreviewed".

    With --jsonl each line of standard input is a question: {"jurisdiction", "purpose", "channel", "at", "zones": […],
    "days_overdue"} and, if need be, "region", "capacity", "consents": […], "contacts": [{"at", "channel", "purpose"}]
    and "own". What a line leaves out is as the options say. A line that is no question is answered with {"error",
    "field", "line"}, and the exit code is 2 at the end.
    """
    from local.commands import asking

    asked = {
        "jurisdiction": jurisdiction,
        "purpose": purpose,
        "channel": channel,
        "at": at,
        "zones": zone,
        "days_overdue": days_overdue,
        "region": region,
        "capacity": capacity,
        "contacts": contact,
        "consents": False if no_consent else consent,
        "own": own,
    }
    raise typer.Exit(asking.run(directory, asked, jsonl=jsonl))


@app.command()
def rules(
    jurisdiction: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="One place, such as US-MA. [default: every one]")
    ] = None,
    capacity: Annotated[
        str | None, typer.Option(help="Only what binds a creditor, a servicer or a collector. [default: everything]")
    ] = None,
    directory: ContentOption = None,
) -> None:
    """Print the rules of a place with their sources: the law's, and what the lender asks of itself.

    The mark says how sure a rule is: P read in the primary text, S in a secondary source, M from memory and
    unconfirmed, own the lender's own policy.
    """
    from local.commands import reading

    raise typer.Exit(reading.rules(directory, jurisdiction, capacity))


@app.command()
def lint(
    path: Annotated[
        Path | None,
        typer.Argument(help="The content, or a file or folder in it. [default: the content shipped]", exists=True),
    ] = None,
    output: Annotated[LintFormat, typer.Option("--format", help="How problems are written.")] = LintFormat.TEXT,
) -> None:
    """Look for mistakes in packs, policies, strategies and texts: file, line, field and what to do.

    The whole content is always read, because its files are held against each other; of a file or a folder in it only
    its own problems are shown. The exit code is 1 if there are any.
    """
    from local.commands import reading

    raise typer.Exit(reading.lint(path, str(output)))


@app.command()
def preview(
    template: Annotated[str, typer.Argument(help="The message, such as tier_1.")],
    locale: Annotated[str, typer.Option(help="The language it is read in, such as en-US.")],
    jurisdiction: Annotated[str, typer.Option(metavar="CODE", help="The place it is read in, such as US-MA.")],
    channel: Annotated[str | None, typer.Option(help="sms, email or push. [default: each it has words for]")] = None,
    borrower: Annotated[
        str, typer.Option(help="The made-up borrower: ordinary, fees, several, longest, or all of them.")
    ] = "ordinary",
    directory: ContentOption = None,
) -> None:
    """Show a text as a borrower would read it: parts, encoding, price, the line it goes by, the rules it meets.

    The exit code is 1 if it cannot be rendered, is too long or misses a rule.
    """
    from local.commands import reading

    raise typer.Exit(reading.preview(directory, reading.Wanted(template, locale, jurisdiction, channel, borrower)))


@app.command()
def plans(
    debt: Annotated[str, typer.Option(metavar="'AMOUNT CURRENCY'", help="What is owed, such as '1250.00 USD'.")],
    days_overdue: Annotated[int, typer.Option(help="How long the debt is overdue.")],
    jurisdiction: Annotated[str, typer.Option(metavar="CODE", help="The place: CN, US-MA, GB, …")],
    product: Annotated[
        list[str] | None,
        typer.Option(help="card, instalment, education, medical or mortgage; may be repeated. [default: instalment]"),
    ] = None,
    on: Annotated[str | None, typer.Option(metavar="DATE", help="The borrower's date. [default: today]")] = None,
    affordable: Annotated[
        str | None, typer.Option(metavar="'AMOUNT CURRENCY'", help="The most they can pay at a time.")
    ] = None,
    not_before: Annotated[str | None, typer.Option(metavar="DATE", help="They cannot pay before this day.")] = None,
    rate: Annotated[str | None, typer.Option(help="The contract's nominal rate a year, in percent.")] = None,
    plans_last_year: Annotated[int, typer.Option(min=0, help="Plans agreed in the last twelve months.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every payment.")] = False,
    directory: ContentOption = None,
) -> None:
    """Show the repayment plans that somebody with this debt would be offered, or why there are none."""
    from local.commands import planning

    asked = planning.Asked(
        debt=debt,
        days_overdue=days_overdue,
        jurisdiction=jurisdiction,
        products=product or [],
        on=on,
        affordable=affordable,
        not_before=not_before,
        annual_percent=rate,
        plans_last_year=plans_last_year,
    )
    raise typer.Exit(planning.run(directory, asked, as_json=as_json))


@app.command()
def plan(
    file: Annotated[
        Path,
        typer.Option(
            "--from", metavar="FILE", help="The portfolio, CSV: docs/planning.md.", exists=True, dir_okay=False
        ),
    ],
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days to look ahead.")] = 30,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="The first day. [default: today]")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="DIR|REV", help="Another content, or a git revision, to compare with.")
    ] = None,
    jurisdiction: Annotated[
        ReplayJurisdiction, typer.Option(help="Where the public credit-card accounts are to live.")
    ] = ReplayJurisdiction.US_NY,
    json_file: JsonOption = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write a page to read.")
    ] = None,
    directory: ContentOption = None,
) -> None:
    """Show which messages would go out to a portfolio, and what a change adds, drops, moves and rewords.

    Exit code 1: a rule is broken, or the content may not be sent under.
    """
    from local.commands import contact_plan

    on = None if start is None else start.date()
    asked = contact_plan.Asked(file, days, on, str(jurisdiction), against, json_file, html_file)
    with _passing("Borrowers") as passed:
        code = contact_plan.run(directory, asked, lambda share: passed(datetime.now().astimezone(), share))
    raise typer.Exit(code)


ModelOption = Annotated[
    Path | None, typer.Option("--model", metavar="MODEL.json", dir_okay=False, help="[default: the model shipped]")
]
AccountsArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV of accounts: docs/risk.md.", exists=True, dir_okay=False)
]


@app.command()
def train(
    file: AccountsArgument,
    out: Annotated[Path, typer.Option("--out", metavar="MODEL.json", dir_okay=False, help="Where the model goes.")],
    currency: Annotated[str, typer.Option(help="The currency of the file's amounts.")] = "TWD",
    library_scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", dir_okay=False, help="scikit-learn's own scores of the accounts, to compare."),
    ] = None,
) -> None:
    """Train the model of the risk that the next instalment is missed. Needs scikit-learn: requirements/train.txt."""
    from local.commands import risk

    raise typer.Exit(risk.run_train(file, out, currency, library_scores))


@app.command()
def score(
    file: AccountsArgument,
    model: ModelOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say which behaviours raised each score.")] = False,
) -> None:
    """Score accounts: CSV `id,score` on standard output, the probability that the next instalment is missed."""
    from local.commands import risk

    raise typer.Exit(risk.run_score(file, model, sys.stdout, explain=explain))


@app.command()
def drift(file: AccountsArgument, model: ModelOption = None) -> None:
    """Measure how far accounts have moved from those that the model was trained on (PSI). Exit code 1: much."""
    from local.commands import risk

    raise typer.Exit(risk.run_drift(file, model))


@app.command()
def fairness(
    file: AccountsArgument,
    model: ModelOption = None,
    help_from: Annotated[float, typer.Option(min=0, max=1, help="The score from which help is offered.")] = 0.3,
) -> None:
    """Compare scores by sex, education, marriage and age, which the model never sees. The file has to have them."""
    from local.commands import risk

    raise typer.Exit(risk.run_fairness(file, model, help_from))


experiment_app = typer.Typer(help="Compare ways of contact: docs/experiments.md.", no_args_is_help=True)
app.add_typer(experiment_app, name="experiment")


@experiment_app.command("plan")
def plan_experiment(
    base: Annotated[float, typer.Option(help="The control arm's share: 0.619.")],
    effect: Annotated[float, typer.Option(help="The difference to be seen, of either sign: 0.024.")],
    power: Annotated[float, typer.Option(help="The chance to see it.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="The chance to see what is not there, both sides.")] = 0.05,
    looks: Annotated[int, typer.Option(help="How often it is looked at, the end included.")] = 1,
    json_file: JsonOption = None,
) -> None:
    """How many borrowers an arm needs, and when it may be stopped before the end."""
    from local.commands import experiment

    raise typer.Exit(experiment.run_plan(base, effect, power, alpha, looks, json_file))


@experiment_app.command("analyse")
def analyse_experiment(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV of outcomes: docs/experiments.md.", exists=True, dir_okay=False)
    ],
    control: Annotated[str, typer.Option(help="The arm that the others are held against.")] = "control",
    alpha: Annotated[float, typer.Option(help="Intervals are of 1 - alpha.")] = 0.05,
    guard: Annotated[
        list[str] | None,
        typer.Option(help="An outcome that must not rise; repeat it. [default: opted_out, complained]"),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """What an experiment has shown. Exit code 1: a guard rail is broken. Needs statsmodels: requirements/train.txt."""
    from local.commands import experiment

    raise typer.Exit(experiment.run_analyse(file, control, alpha, guard or None, json_file))


@app.command()
def schema() -> None:
    """Print the JSON Schemas of the content's files, one object by kind: pack, policy, messages, …"""
    import json

    from dunlin.content import json_schemas

    typer.echo(json.dumps(json_schemas(), indent=2, ensure_ascii=False))


@app.command()
def openapi() -> None:
    """Print the HTTP API as an OpenAPI document, as docs/openapi.yaml has it."""
    from local.openapi import written

    typer.echo(written(), nl=False)


#: Options belong to the command behind: it is loaded only when it is asked for.
_PASSED_ON: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True},
}


@app.command()
def suppressions(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="phone or email, scope, purpose, at, source.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the events; - is stdout."),
    ] = None,
    put_to: Annotated[str, typer.Option("--put-to", metavar="BUS", help="Put the events on this event bus.")] = "",
    source: Annotated[
        str, typer.Option("--source", help="Their source, as the stack's CoreEventSource has it.")
    ] = "lender.core",
) -> None:
    """Make events of a suppression list; without --out and --put-to it is only checked. Exit code 1: a row is bad."""
    from local.commands.suppressions import run

    raise typer.Exit(run(file, out, put_to, source))


@app.command(**_PASSED_ON)
def stuck(context: typer.Context) -> None:
    """Say what does not move in a deployed stack, and what to do about it."""
    _operate("stuck", context)


@app.command(**_PASSED_ON)
def redrive(context: typer.Context) -> None:
    """Show the dead letters of a deployed stack; with --go, redrive them."""
    _operate("redrive", context)


@app.command(**_PASSED_ON)
def pause(context: typer.Context) -> None:
    """Stop everything, a brand, a line or a template of a deployed stack."""
    _operate("pause", context)


@app.command(**_PASSED_ON)
def resume(context: typer.Context) -> None:
    """Lift a stop of a deployed stack."""
    _operate("resume", context)


@app.command(**_PASSED_ON)
def pauses(context: typer.Context) -> None:
    """The stops in force in a deployed stack."""
    _operate("pauses", context)


@app.command(**_PASSED_ON)
def export(context: typer.Context) -> None:
    """Everything that a deployed stack holds about one person, as JSON, with the ledger's proof."""
    _operate("export", context)


@app.command(**_PASSED_ON)
def erase(context: typer.Context) -> None:
    """Show what a request to be forgotten would come to; with --go, make it."""
    _operate("erase", context)


@app.command(**_PASSED_ON)
def verify(context: typer.Context) -> None:
    """Follow the hash chain of a borrower's ledger, in a deployed stack or in an exported file."""
    _operate("verify", context)


def _operate(command: str, context: typer.Context) -> None:
    from local.commands import operators

    operators.app(args=[command, *context.args], prog_name="dunlin")


def main() -> None:
    """The entry point."""
    app()


# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _console(json_file: Path | None) -> Console:
    """Where tables go: not among the JSON."""
    return Console(stderr=json_file == _STDOUT)


@contextmanager
def _passing(words: str) -> Iterator[Any]:
    """A bar of virtual time, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[on]}"))
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(words, total=1.0, on="")

        def passed(now: datetime, share: float) -> None:
            bar.update(task, completed=min(share, 1.0), on=f"{now:%Y-%m-%d}")

        yield passed


def _write(
    summary: Mapping[str, Any], conversations: Sequence[Mapping[str, Any]], json_file: Path | None, report: Path | None
) -> None:
    from local.report import write_report
    from local.summary import dumped

    if json_file == _STDOUT:
        sys.stdout.write(dumped(summary))
    elif json_file is not None:
        json_file.write_text(dumped(summary), encoding="utf-8")
    if report is not None:
        write_report(summary, conversations, report)


def _prepare(*files: Path | None) -> None:
    """Find out now, not after the run, that a file cannot be written."""
    for file in files:
        if file is not None and file != _STDOUT:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8"):
                pass


def _about_file(error: OSError) -> str:
    """What is wrong with which file; anything that is about no file is a fault of ours and goes on its way."""
    if error.filename is None:
        raise error
    return f"{error.filename}: {error.strerror}"


def _say_where(console: Console, evidence: Path | None, report: Path | None) -> None:
    if report is not None:
        console.print(f"The page: {escape(str(report))}", soft_wrap=True)
    if evidence is not None:
        console.print(f"The evidence: {escape(str(evidence))}", soft_wrap=True)


def _warn(problem: str) -> None:
    Console(stderr=True).print(f"[yellow]{escape(problem)}[/]", soft_wrap=True)


def _cannot(problem: str) -> NoReturn:
    """Say what cannot be done, and stop."""
    Console(stderr=True).print(f"[red]{escape(problem)}[/]", soft_wrap=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    main()
