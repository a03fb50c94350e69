"""``stalefl privacy-audit``: what one who sees an update can recover from it, attack by attack, defence by defence."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stalefl.cli import audit_sources
from stalefl.cli.common import (
    MACHINE,
    OUTPUT,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    DownloadOption,
    ForceOption,
    JsonOption,
    ModelOption,
    QuietOption,
    SeedOption,
    SettingsOption,
    VerboseOption,
)
from stalefl.cli.interruption import INTERRUPTED, stop_on_interrupt
from stalefl.cli.observing import (
    FILES,
    BaseOption,
    ClientOption,
    RoundOption,
    RunOption,
    SamplesOption,
    UpdateIsOption,
    UpdateOption,
    Watch,
    check_source,
    stopped_by_hand,
)

if TYPE_CHECKING:
    from stalefl.audit.audit import Audit
    from stalefl.contracts import DataContext
    from stalefl.records.audit_folder import AuditFolder

SPOT, AUDIT = "Updates made on the spot", "Audit"
CONDITION_MET = 3
logger = logging.getLogger(__name__)


def privacy_audit_command(
    experiment: Annotated[
        Path | None,
        typer.Argument(help="Experiment file (TOML) whose [audit] says what is done.", show_default=False),
    ] = None,
    run: RunOption = None,
    client: ClientOption = None,
    round: RoundOption = None,
    base: BaseOption = None,
    update: UpdateOption = None,
    update_is: UpdateIsOption = "delta",
    client_data: Annotated[
        Path | None,
        typer.Option(
            help="The samples behind the update (inputs, targets; safetensors or npz), to compare with.",
            rich_help_panel=FILES,
        ),
    ] = None,
    samples: SamplesOption = None,
    cases: Annotated[
        int | None,
        typer.Option(help="Clients audited, each with its own samples, as audit.cases.", rich_help_panel=SPOT),
    ] = None,
    local_steps: Annotated[
        int | None,
        typer.Option(
            help="Full-batch steps that a client makes (training.local_epochs with batch_size 0).",
            show_default="1, or the experiment's",
            rich_help_panel=SPOT,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="The weights the clients are given.", show_default="untrained", rich_help_panel=SPOT),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An attack; may be repeated (audit.attacks).", rich_help_panel=AUDIT),
    ] = None,
    sparsify: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SHARE", help="Send only the largest entries, this share left out.", rich_help_panel=AUDIT
        ),
    ] = None,
    noise: Annotated[
        list[float] | None,
        typer.Option(
            metavar="VARIANCE",
            help="Add Gaussian noise, on the gradient's scale, after sparsification. Both may be repeated and are "
            "combined.",
            rich_help_panel=AUDIT,
        ),
    ] = None,
    defence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEPS",
            help='Steps in order instead, as "clip=1, gaussian=0.5, sparsify=0.9"; may be repeated (audit.defences).',
            rich_help_panel=AUDIT,
        ),
    ] = None,
    restarts: Annotated[
        int | None,
        typer.Option(
            help="Attempts of an attack, the one of least loss is kept, as audit.restarts.", rich_help_panel=AUDIT
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help='Exit with 3 if a cell meets it, as "psnr_median>20", or none can tell; repeatable (audit.fail_if).',
            rich_help_panel=AUDIT,
        ),
    ] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option(help="AlexNet's weights for LPIPS.", rich_help_panel=AUDIT)
    ] = None,
    inception_weights: Annotated[
        Path | None, typer.Option(help="InceptionV3's weights for FID.", rich_help_panel=AUDIT)
    ] = None,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Attacks at the same time; 0 = as many as cores and memory allow.", rich_help_panel=MACHINE),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for what is found.", show_default="a new one below runs/", rich_help_panel=OUTPUT),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on where the audit in this folder stopped.", rich_help_panel=OUTPUT),
    ] = None,
    force: ForceOption = False,
    device: DeviceOption = None,
    data_dir: DataDirOption = None,
    download: DownloadOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what an update gives away: attack it under every defence, compare what is recovered with the truth.

    The updates are made on the spot (--dataset, --model, --samples), or one is taken from a run (--run, --client,
    --round) or from your own files (--base, --update). Writes a table, pictures, a verdict and a page.

    Example: stalefl privacy-audit --dataset digits --model mlp --sparsify 0 --sparsify 0.95
    """
    from stalefl.cli.common import set_up_logging
    from stalefl.data.place import data_context
    from stalefl.records.audit_folder import AuditFolder

    set_up_logging(quiet, verbose)
    context, watch = data_context(data_dir, download), Watch(quiet, spinner=not (verbose or download))
    of_run = {"--run": run, "--client": client, "--round": round}
    of_files = {"--base": base, "--update": update, "--client-data": client_data}
    on_the_spot = {"--cases": cases, "--local-steps": local_steps, "--weights": weights}
    asked: dict[str, Any] = {
        "attacks": attack or None,
        "defences": audit_sources.defences(sparsify, noise, defence),
        "restarts": restarts,
        "fail_if": fail_if or None,
    }
    machine = {"device": device, "seed": seed, "jobs": jobs}
    flags: dict[str, dict[str, Any]] = {
        "audit": asked,
        "data": {"dataset": dataset},
        "model": {"name": model},
        "run": machine,
    }
    _check_files({"--lpips-weights": lpips_weights, "--inception-weights": inception_weights})
    with stopped_by_hand("nothing was written"):
        if resume is not None:
            lists: dict[str, Any] = {"--sparsify": sparsify, "--noise": noise, "--defence": defence, "--attack": attack}
            lists |= {"--set": settings, "--force": force}
            fixed = {name: value or None for name, value in lists.items()}
            fixed |= {"--restarts": restarts, "--samples": samples, "--seed": seed, "--out": out}
            fixed |= {"--model": model, "--dataset": dataset}
            _refuse(
                {"EXPERIMENT": experiment, **of_run, **of_files, **on_the_spot, **fixed},
                "--resume, which takes its settings from the folder; valid beside it: --jobs, --device, --fail-if",
            )
            changed = {"run": {"device": device, "jobs": jobs}, "audit": {"fail_if": asked["fail_if"]}}
            audit = _reopened(resume, context, changed, watch)
        else:
            folder = AuditFolder(out or _new_place(run, client, round, experiment))
            folder.check_free(force)
            if _any(of_run):
                _refuse({"EXPERIMENT": experiment, "--samples": samples, **on_the_spot}, "--run")
                check_source(of_run, of_files, {"--model": model, "--dataset": dataset}, update_is)
                source = audit_sources.of_run(of_run, flags, settings or [], context, watch)
            elif _any(of_files):
                _refuse({"EXPERIMENT": experiment, **on_the_spot}, "files")
                check_source(of_run, of_files, {}, update_is)
                files = {**of_files, "--update-is": update_is, "--samples": samples}
                source = audit_sources.of_files(files, flags, settings or [], context, watch)
            else:
                asked |= {"samples": samples, "cases": cases}
                flags["training"] = audit_sources.local_program(local_steps, experiment, settings)
                source = audit_sources.on_the_spot(experiment, flags, settings or [], weights, context, watch)
            audit = _opened(source, folder, force)
    networks = {"lpips_weights": lpips_weights, "inception_weights": inception_weights, "download": download}
    stopped = not _attacked(audit, watch)
    with stopped_by_hand(_how_to_go_on(audit.folder)):
        result = _measured(audit, networks, watch)
    _report(result, audit.folder, json_output, quiet)
    if stopped:
        typer.echo(f"stopped; {_how_to_go_on(audit.folder)}", err=True)
        raise typer.Exit(INTERRUPTED)
    if result["violations"] or result["unanswered_conditions"]:
        raise typer.Exit(CONDITION_MET)


# --- the folder and the options -------------------------------------------------------------------------------------


def _new_place(run: Path | None, client: int | None, round: int | None, experiment: Path | None) -> Path:
    which = f"client-{client}-round-{round}" if run else experiment.stem if experiment else "spot"
    return Path("runs") / f"audit-{which}-{time.strftime('%Y%m%d-%H%M%S')}"


def _any(options: Mapping[str, Any]) -> bool:
    return any(value is not None for value in options.values())


def _refuse(options: Mapping[str, Any], beside: str) -> None:
    """Raises InputError if one of the options is given."""
    from stalefl.contracts import InputError

    if wrong := next((name for name, value in options.items() if value is not None), None):
        raise InputError(f"{wrong} does not go with {beside}")


def _check_files(options: Mapping[str, Path | None]) -> None:
    """What is only read in the end is looked for in the beginning."""
    from stalefl.contracts import InputError

    if wrong := next((name for name, path in options.items() if path and not path.is_file()), None):
        raise InputError(f"{wrong} {options[wrong]} does not exist; valid: a .safetensors file")


def _how_to_go_on(folder: AuditFolder) -> str:
    return f"go on with: stalefl privacy-audit --resume {folder.path}"


def _opened(source: audit_sources.Source, folder: AuditFolder, force: bool) -> Audit:
    from stalefl.audit.audit import open_audit

    return open_audit(source.experiment, source.dataset, source.updates, folder, force)


def _reopened(path: Path, context: DataContext, changed: Mapping[str, Mapping[str, Any]], watch: Watch) -> Audit:
    from stalefl.cli.common import given_only

    with watch.reading(path):
        from stalefl.audit.audit import reopen_audit

        return reopen_audit(path, context, given_only(changed))


# --- doing it -------------------------------------------------------------------------------------------------------


def _attacked(audit: Audit, watch: Watch) -> bool:
    """False if the user stopped it; what is recovered by then is kept."""
    from stalefl.audit.audit import attack
    from stalefl.machine.processes import new_stop

    stop = new_stop()
    count = len(audit.attempts)
    text = f"attacking ({count} attempt{'s' if count > 1 else ''}):"
    try:
        with stop_on_interrupt(stop, "what is under way"), watch.shares(text) as advance:
            return attack(audit, audit.experiment.run.jobs, advance, stop)
    except KeyboardInterrupt:
        return False


def _measured(audit: Audit, networks: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    """Measure, judge, write the pictures, ``result.json`` and the page."""
    from platformdirs import user_cache_path

    from stalefl.audit.document import document
    from stalefl.audit.outcome import Networks, measure
    from stalefl.audit.page import draw_pictures, write_audit_page

    with watch.shares("measuring:") as advance:
        cache = user_cache_path("stalefl") / "classifiers"
        outcome = measure(audit, Networks(cache=cache, **networks), advance)
    result = document(audit, outcome)
    pictures = draw_pictures(audit, outcome)
    audit.folder.write_result(result)
    write_audit_page(audit, result, pictures)
    return result


def _report(result: Mapping[str, Any], folder: AuditFolder, json_output: bool, quiet: bool) -> None:
    from stalefl.cli.common import console, print_json
    from stalefl.formatting import guarantee_in_words
    from stalefl.report.tables.audit import audit_table

    if json_output:
        print_json(result)
    elif not quiet:
        screen = console()
        screen.print(audit_table(result))
        for sentence in result["verdict"]:
            screen.print(sentence, soft_wrap=True)
        for defence, guarantee in result["defences"].items():
            if guarantee:
                screen.print(f"{defence}: {guarantee_in_words(guarantee)}", soft_wrap=True)
        screen.print(f"page: {folder.page}", soft_wrap=True)
    for violation in result["violations"]:
        typer.echo(f"condition met: {violation}", err=True)
    for condition in result["unanswered_conditions"]:
        typer.echo(f"condition not answered: no cell has a value for {condition}", err=True)
