"""Replicas and dollars over pictures a second, as an SVG whose text is text."""

from pathlib import Path

from loadtest.capacity.plan import Inputs, cheapest, strains

_STEPS = 4  # points for each power of ten
_SHOWN = ("load balancer", "metrics", "logs", "model roll-out", "orchestrator")


def draw(inputs: Inputs, path: Path) -> None:
    """Draws the plan for 1 to 1,000,000 pictures a second; the same inputs give the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "loupe", "font.size": 9})
    rates = [10 ** (step / _STEPS) for step in range(6 * _STEPS + 1)]
    fleets = [cheapest(rate, inputs) for rate in rates]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(rates, [one.replicas for one in fleets], label="replicas")
    left.loglog(rates, [one.dollars_a_year for one in fleets], label="dollars a year")
    right.axhline(1, color="grey", linewidth=0.8, linestyle="--")
    for name in _SHOWN:
        right.loglog(rates, [strains(one, inputs)[name] for one in fleets], label=name)
    left.set_title("The cheapest fleet that holds the target")
    right.set_title("How many of what else it needs")
    for axes in (left, right):
        axes.set_xlabel("pictures a second")
        axes.grid(visible=True, alpha=0.3)
        axes.minorticks_off()
        axes.legend(frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None})
