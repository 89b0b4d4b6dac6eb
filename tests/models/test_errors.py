import inspect
import re

from models import errors


def tree(cls: type, depth: int = 0) -> list[tuple[int, str]]:
    # A room may have errors of its own besides.
    children = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [(depth, cls.__name__), *(line for child in children for line in tree(child, depth + 1))]


def test_the_tree_in_the_docstring_is_the_one_in_the_code():
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+Error)\b", errors.__doc__, re.MULTILINE)
    assert [(len(indent) // 4, name) for indent, name in drawn] == tree(errors.LoupeError)


def test_every_error_of_the_module_hangs_on_the_tree():
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(cls, errors.LoupeError) for cls in classes)
