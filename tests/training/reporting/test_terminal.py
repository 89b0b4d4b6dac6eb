import pytest
import typer

from models.errors import TrainingError
from training.reporting.terminal import one_sentence, say, show_counts, show_metrics, show_table

_LONG = "[red] is /a/path that is " + "long " * 60 + "[/red]"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TrainingError(_LONG), _LONG),
        (FileNotFoundError(2, "No such file or directory", "x.jpg"), "x.jpg: No such file or directory"),
    ],
)
def test_an_error_is_one_line_as_it_is(capsys, error, line):
    with pytest.raises(typer.Exit) as raised, one_sentence():
        raise error
    assert raised.value.exit_code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"error: {line}\n"


def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError), one_sentence():
        raise ZeroDivisionError


def test_what_is_said_is_neither_wrapped_nor_taken_for_markup(capsys):
    text = "published /models/[bold]/" + "x" * 300
    say(text)
    assert capsys.readouterr().out == text + "\n"


def test_counts_and_figures_are_shown(capsys, trained):
    show_counts(trained.manifest)
    show_metrics(trained.metadata.metrics)
    shown = capsys.readouterr().out
    counts = {name: len(trained.manifest.split(name).photos) for name in ("train", "validation", "calibration", "test")}
    assert ", ".join(f"{count} {name}" for name, count in counts.items()) in shown
    metrics = trained.metadata.metrics
    assert f"{metrics.accuracy:.2%} right on {metrics.images} test images" in shown
    assert f"{metrics.labels['dark'].recall:.2%}" in shown
    assert f"certain: {metrics.certain_share:.2%} of the answers" in shown


def test_names_are_whole_where_nobody_looks_at_a_terminal(capsys):
    name = "a name of " + "many " * 60 + "words.jpg"
    show_table(["photo", "right"], [[name, "yes"]])
    assert name in capsys.readouterr().out
