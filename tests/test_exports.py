"""What the packages offer: it exists, is documented, is named once, and its examples are true."""

import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_tidy import PACKAGES, sources

# Modules whose import alone starts something, or that need what an extra brings.
NOT_IMPORTED = re.compile(r"\.__main__$")


def _is_package(path: str) -> bool:
    return Path(path).name == "__init__.py"


MODULES = [source for source in sources(*PACKAGES) if not NOT_IMPORTED.search(source.module)]
OFFERING = [
    source.module for source in MODULES if _is_package(source.path) and "__all__" in source.text
]
WITH_EXAMPLES = [source.module for source in MODULES if ">>>" in source.text]


def _is_documented(value: object) -> bool:
    # A constant, an alias or a NewType has nowhere to keep a docstring.
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return True
    text = value.__doc__ or ""
    # dataclass and Enum write a signature or a stock phrase where nobody wrote a docstring.
    return bool(text.strip()) and not text.startswith(
        (f"{getattr(value, '__name__', '')}(", "An enumeration")
    )


@pytest.mark.parametrize("name", OFFERING)
def test_every_name_offered_exists_and_is_documented(name: str) -> None:
    package = import_module(name)
    offered = list(package.__all__)
    assert sorted(set(offered)) == sorted(offered), "a name is offered twice"
    missing = [entry for entry in offered if not hasattr(package, entry)]
    assert not missing, f"{name} offers what is not there: {missing}"
    mute = [entry for entry in offered if not _is_documented(getattr(package, entry))]
    assert not mute, f"{name} offers names without a docstring: {mute}"


@pytest.mark.parametrize("name", OFFERING)
def test_a_name_not_offered_is_an_attribute_error(name: str) -> None:
    # A package that resolves names on first use must still refuse the others.
    with pytest.raises(AttributeError, match="no_such_name"):
        import_module(name).no_such_name  # noqa: B018  reading it is the test


def test_every_module_can_be_imported() -> None:
    for source in MODULES:
        assert isinstance(import_module(source.module), ModuleType)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    failures, _ = doctest.testmod(import_module(name))
    assert failures == 0


def test_packages_that_offer_names_are_found() -> None:
    assert "clocksync" in OFFERING
    assert "clocksync.runtime.units" in WITH_EXAMPLES


def test_the_rules_see_what_is_undocumented() -> None:
    class Mute:
        pass

    class Told:
        """Says what it is."""

    def mute() -> None:
        pass

    assert not _is_documented(Mute)
    assert not _is_documented(mute)
    assert _is_documented(Told)
    assert _is_documented(7)
