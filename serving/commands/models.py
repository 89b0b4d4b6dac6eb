"""loupe models: what lies in the repository."""

from rich.markup import escape
from rich.table import Table

from models.errors import ModelNotFoundError
from models.repository import ModelRepository, read_metadata
from serving.commands.common import ModelsOption, console, one_sentence
from serving.settings import Settings
from serving.versions.loading import NONE, Loader


def models(models: ModelsOption = None) -> None:
    """Lists the models of the repository."""
    with one_sentence():
        loader = Loader(Settings.load(models=models))
        loader.fetch()
        repository = ModelRepository(loader.root)
        found = repository.list()
        if not found:
            raise ModelNotFoundError(NONE.format(loader.root))
        table = Table("model", "versions", "labels", "accuracy", "asked by default", box=None)
        for name, versions in found.items():
            table.add_row(*_description(repository, name, versions))
        console().print(table)


def _description(repository: ModelRepository, name: str, versions: tuple[int, ...]) -> tuple[str, ...]:
    path = repository.path(name)
    facts = read_metadata(path.read_bytes(), path)
    accuracy = f"{facts.metrics.accuracy:.3f}" if facts.metrics else "not measured"
    numbers, labels = ", ".join(map(str, versions)), escape(", ".join(facts.label_names))
    return name, numbers, labels, accuracy, "yes" if facts.default else "no"
