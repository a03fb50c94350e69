"""``stalefl privacy-audit``: what one who sees an update can recover from it, attack by attack, defence by defence."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stalefl.cli import options as opt
from stalefl.cli import update_options as update_opt
from stalefl.cli.audit_sources import Attacks, AuditedFiles, AuditRequest, OnTheSpot, read_source, refuse
from stalefl.cli.interruption import INTERRUPTED, stop_on_interrupt, stopped_by_hand
from stalefl.cli.update_options import UpdateOfRun, named
from stalefl.cli.watch import Watch

if TYPE_CHECKING:
    from stalefl.audit.audit import Audit
    from stalefl.records.audit_folder import AuditFolder

SPOT, AUDIT = "Updates made on the spot", "Audit"
CONDITION_MET = 3


def privacy_audit_command(
    experiment: Annotated[
        Path | None,
        typer.Argument(help="Experiment file (TOML) whose [audit] says what is done.", show_default=False),
    ] = None,
    run: update_opt.RunOption = None,
    client: update_opt.ClientOption = None,
    round: update_opt.RoundOption = None,
    base: update_opt.BaseOption = None,
    update: update_opt.UpdateOption = None,
    update_is: update_opt.UpdateIsOption = "delta",
    client_data: Annotated[
        Path | None,
        typer.Option(
            help="The samples behind the update (inputs, targets; safetensors or npz), to compare with.",
            rich_help_panel=update_opt.FILES,
        ),
    ] = None,
    samples: update_opt.SamplesOption = None,
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
    model: opt.ModelOption = None,
    dataset: opt.DatasetOption = None,
    seed: opt.SeedOption = None,
    settings: opt.SettingsOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Attacks at the same time; 0 = as many as cores and memory allow.", rich_help_panel=opt.MACHINE
        ),
    ] = None,
    out: opt.FindingsOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on where the audit in this folder stopped.", rich_help_panel=opt.OUTPUT),
    ] = None,
    force: opt.ForceOption = False,
    device: opt.DeviceOption = None,
    data_dir: opt.DataDirOption = None,
    download: opt.DownloadOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Show what an update gives away: attack it under every defence, compare what is recovered with the truth.

    The updates are made on the spot (--dataset, --model, --samples), or one is taken from a run (--run, --client,
    --round) or from your own files (--base, --update). Writes a table, pictures, a verdict and a page.

    Example: stalefl privacy-audit --dataset digits --model mlp --sparsify 0 --sparsify 0.95
    """
    from stalefl.cli.common import set_up_logging
    from stalefl.data.place import data_context

    set_up_logging(quiet, verbose)
    networks = {"lpips_weights": lpips_weights, "inception_weights": inception_weights}
    _check_files(networks)
    request = AuditRequest(
        experiment=experiment,
        of_run=UpdateOfRun(run, client, round),
        of_files=AuditedFiles(base, update, client_data),
        update_is=update_is,
        samples=samples,
        on_the_spot=OnTheSpot(cases, local_steps, weights),
        attacks=Attacks(attack, sparsify, noise, defence, restarts, fail_if),
        model=model,
        dataset=dataset,
        seed=seed,
        settings=settings,
        jobs=jobs,
        device=device,
        out=out,
        resume=resume,
        force=force,
        context=data_context(data_dir, download),
    )
    watch = Watch(quiet, spinner=not (verbose or download))
    with stopped_by_hand("nothing was written"):
        audit = _opened(request, watch) if resume is None else _reopened(resume, request, watch)
    complete = _attacked(audit, watch)
    with stopped_by_hand(_how_to_go_on(audit.folder)):
        result = _measured(audit, {**networks, "download": download}, watch)
    _print(result, audit.folder, json_output, quiet)
    if not complete:
        typer.echo(f"stopped; {_how_to_go_on(audit.folder)}", err=True)
        raise typer.Exit(INTERRUPTED)
    if result["violations"] or result["unanswered_conditions"]:
        raise typer.Exit(CONDITION_MET)


def _check_files(networks: Mapping[str, Path | None]) -> None:
    """What is only read in the end is looked for in the beginning."""
    from stalefl.contracts import InputError

    for name, path in networks.items():
        if path and not path.is_file():
            raise InputError(f"--{name.replace('_', '-')} {path} does not exist; valid: a .safetensors file")


# --- opening --------------------------------------------------------------------------------------------------------


def _opened(request: AuditRequest, watch: Watch) -> Audit:
    """A new audit in a folder that is free."""
    from stalefl.records.audit_folder import AuditFolder

    folder = AuditFolder(request.out or _new_place(request))
    folder.check_free(request.force)
    source = read_source(request, watch)
    from stalefl.audit.audit import open_audit

    return open_audit(source.experiment, source.dataset, source.updates, folder, request.force)


def _new_place(request: AuditRequest) -> Path:
    run, client, round = request.of_run
    file = request.experiment
    which = f"client-{client}-round-{round}" if run else file.stem if file else "spot"
    return Path("runs") / f"audit-{which}-{time.strftime('%Y%m%d-%H%M%S')}"


def _reopened(path: Path, request: AuditRequest, watch: Watch) -> Audit:
    """The audit in a folder, to go on with. Raises InputError for options that its folder answers."""
    from stalefl.cli.common import given_only

    attacks = named(request.attacks)
    fail_if = attacks.pop("--fail-if") or None
    described: dict[str, Any] = {"--samples": request.samples, "--seed": request.seed, "--out": request.out}
    described |= {"--model": request.model, "--dataset": request.dataset}
    lists_and_switches = {**attacks, "--set": request.settings, "--force": request.force}
    refuse(
        {
            "EXPERIMENT": request.experiment,
            **named(request.of_run),
            **named(request.of_files),
            **named(request.on_the_spot),
            **{name: None if value is False or value == [] else value for name, value in lists_and_switches.items()},
            **described,
        },
        "--resume, which takes its settings from the folder; valid beside it: --jobs, --device, --fail-if",
    )
    changed = given_only({"run": {"device": request.device, "jobs": request.jobs}, "audit": {"fail_if": fail_if}})
    with watch.reading(path):
        from stalefl.audit.audit import reopen_audit

        return reopen_audit(path, request.context, changed)


def _how_to_go_on(folder: AuditFolder) -> str:
    return f"go on with: stalefl privacy-audit --resume {folder.path}"


# --- attacking, measuring, printing ---------------------------------------------------------------------------------


def _attacked(audit: Audit, watch: Watch) -> bool:
    """False if the user stopped it; what is recovered by then is kept."""
    from stalefl.audit.attempts import all_attempts, make_attempts
    from stalefl.machine.processes import new_stop

    stop, count = new_stop(), len(all_attempts(audit))
    text = f"attacking ({count} attempt{'s' if count > 1 else ''}):"
    try:
        with stop_on_interrupt(stop, "what is under way"), watch.shares(text) as advance:
            return make_attempts(audit, audit.experiment.run.jobs, advance, stop)
    except KeyboardInterrupt:
        return False


def _measured(audit: Audit, networks: Mapping[str, Any], watch: Watch) -> dict[str, Any]:
    """``result.json``, which is written, as are the pictures and the page."""
    from platformdirs import user_cache_path

    from stalefl.audit.document import audit_document
    from stalefl.audit.outcome import Networks, measure
    from stalefl.audit.page import write_audit_page
    from stalefl.audit.pictures import draw_pictures

    with watch.shares("measuring:") as advance:
        outcome = measure(audit, Networks(**networks, cache=user_cache_path("stalefl") / "classifiers"), advance)
    result = audit_document(audit, outcome)
    audit.folder.write_result(result)
    write_audit_page(audit, result, draw_pictures(audit, outcome))
    return result


def _print(result: Mapping[str, Any], folder: AuditFolder, json_output: bool, quiet: bool) -> None:
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
