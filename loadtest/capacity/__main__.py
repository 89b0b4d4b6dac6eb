"""``python -m loadtest.capacity plan`` and ``check``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from loadtest.capacity.checking import check as check_loads
from loadtest.capacity.checking import table
from loadtest.capacity.plan import INPUTS, cheapest, fleet, markdown, read
from loadtest.pages import put

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def plan(
    rate: Annotated[float, typer.Option(min=0, help="Pictures a second; 0: a table of all powers of ten.")] = 0,
    p99_ms: Annotated[float, typer.Option(min=0, help="In place of the inputs' target.")] = 0,
    inputs: Annotated[Path, typer.Option(exists=True, help="Costs, prices, limits.")] = INPUTS,
    bench: Annotated[
        Path | None, typer.Option(exists=True, help="Output of the bench, for what a picture costs.")
    ] = None,
    chart: Annotated[Path | None, typer.Option(help="Draws it there, as SVG.")] = None,
) -> None:
    """Tells how many replicas of which kind, at what yearly cost, and what ends first."""
    known = read(inputs, bench, p99_ms)
    if chart is not None:
        from loadtest.capacity.chart import draw

        draw(known, chart)
    if not rate:
        typer.echo(markdown(known))
        return
    kinds = {kind.name: fleet(rate, kind, known) for kind in known.kinds}
    typer.echo(json.dumps({name: asdict(one) if one else None for name, one in kinds.items()}, indent=2))
    typer.echo(f"cheapest: {cheapest(rate, known).kind.name}")


@app.command()
def check(
    loads: Annotated[str, typer.Option(help="Shares of what one core can do.")] = "0.3,0.5,0.7,0.8,0.9,2,10",
    duration_s: Annotated[float, typer.Option(min=1, help="Seconds of each.")] = 20,
    page: Annotated[
        Path | None, typer.Option(exists=True, help="Page whose table is written anew, as docs/capacity.md.")
    ] = None,
) -> None:
    """Compares the model with a server of ours, in a table."""
    found = table(list(check_loads([float(load) for load in loads.split(",")], duration_s)))
    typer.echo(found)
    if page is not None:
        put(page, "check", found)


if __name__ == "__main__":
    app()
