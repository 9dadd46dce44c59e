"""The plan of the house, read from the imports: docs/architecture.md says the same in words."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "db": set(),
    "analyses": set(),
    "charts": set(),
    "collectors": {"db"},
    "alerts": {"charts", "analyses", "db"},
    "answers": {"charts", "analyses", "db"},
    "dashboard": {"answers", "alerts", "charts", "analyses", "db"},
    "stepwell": {"dashboard", "answers", "alerts", "collectors", "charts", "analyses", "db"},
}
FILES = [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Dotted names of every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names} | {
        name
        for n in nodes
        if isinstance(n, ast.ImportFrom) and n.module
        for name in [n.module, *(f"{n.module}.{a.name}" for a in n.names)]
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_downwards(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    wrong = {
        name
        for name in imports(path)
        if (top := name.split(".")[0]) in MAY_IMPORT and top != room and top not in MAY_IMPORT[room]
    }
    assert not wrong, f"{room} may import only {MAY_IMPORT[room] or 'nothing of ours'}"


def test_no_import_cycles() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    needs = {name: {n for n in top_level_imports(path) if n in modules and n != name} for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in done:
            for below in sorted(needs[name]):
                visit(below, (*above, name))
            done.add(name)

    for name in modules:
        visit(name, ())


def test_no_dependency_ships_a_package_of_our_name() -> None:
    taken = importlib.metadata.packages_distributions()
    assert {room: set(taken.get(room, [])) - {"stepwell"} for room in MAY_IMPORT} == {
        room: set() for room in MAY_IMPORT
    }


def test_no_page_is_called_like_a_package() -> None:
    names = {path.stem for path in (ROOT / "dashboard").rglob("*.py")}
    assert not names & MAY_IMPORT.keys()


def test_check_and_collect_load_no_heavy_library() -> None:
    code = (
        "import sys, stepwell.cli, stepwell.checking, stepwell.collecting, collectors.discover as d; d.formats();"
        "from analyses.judge import detectors; detectors();"
        "heavy = 'streamlit mlflow pandas pyarrow altair sklearn scipy duckdb alembic apprise'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_no_absolute_path_and_no_registry_host_in_what_we_ship() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    banned = ("/ro" + "ot/", "/wo" + "rk/", "pypi" + ".org/simple", "files.python" + "hosted.org")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.exists() and path.stat().st_size < 2_000_000:
            text = path.read_bytes()
            assert not [word for word in banned if word.encode() in text], name


def test_every_dependency_earns_its_line() -> None:
    import tomllib

    told = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[\[><=]", one)[0] for one in wanted}
    assert {name for name in names if f"| {name} |" not in told} == set()
    assert [
        name for name in re.findall(r"^\| ([a-z0-9-]+) \|", told, re.M) if name != "package" and name not in names
    ] == []
