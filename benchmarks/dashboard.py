"""What a reader waits for, in a real browser: first paint, another run, a big chart, a live tick, twenty viewers.

Beside it the same curve asked of MLflow's UI endpoint and of TensorBoard: how long, how many bytes, and is the one-step
spike still there?
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import sqlalchemy as sa
from playwright.sync_api import Page, sync_playwright

from benchmarks import peers
from benchmarks.measure import Line, at_most, sqlite_store
from benchmarks.reads import add_run
from benchmarks.workload import METRICS, block, event_file, metric_names
from collectors.contract import Part
from collectors.store import put
from db import sources
from db.block import block_of
from db.engine import writing
from tests.browser import CHROMIUM, FLAGS, PAINTED, PATIENCE, free_port, served

TITLE = "The dashboard, in chromium; 1,000 runs of 50 metrics x 500 steps and one of 200 x 20,000"
RUNS, LONG, TOGETHER, VIEWERS = 1_000, 20_000, 50, 20
VISITS, SWITCHES, TICKS = 20, 8, 8
SPIKE_AT, SPIKE = 7_777, 1e6
BUSY = '[data-testid="stStatusWidget"], [data-stale="true"]'
IDLE = f"() => document.querySelector('{BUSY}') === null"


def lines(folder: Path) -> Iterator[Line]:
    store = filled(folder)
    with served(str(store.url)) as address, browser() as open_page:
        page = open_page()
        yield overview(page, address)
        yield from charts(page, address)
        yield tick(page, address, store)
        yield viewers(open_page, address)
    yield from beside(folder)


def filled(folder: Path) -> sa.Engine:
    """The runs; the last one is long, with a spike of one step in its entropy; fifty of them have 2,000 points."""
    store = sqlite_store(folder)
    for run in range(RUNS):
        add_run(store, [block(2_000 if run < TOGETHER else 500, 50, run)], run)
    long = block(LONG, METRICS)
    long.values[SPIKE_AT - 1, metric_names(METRICS).index("actor/entropy")] = SPIKE
    add_run(store, [long], RUNS)
    return store


@contextmanager
def browser() -> Iterator[Callable[[], Page]]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield lambda: chromium.new_page(viewport={"width": 1280, "height": 900})
        chromium.close()


def until_painted(page: Page, address: str, painted: str = PAINTED) -> float:
    """Seconds from asking for a page until it shows what it is there for, and rests."""
    begin = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(painted, timeout=PATIENCE)
    return time.perf_counter() - begin


TABLE = "() => document.querySelector('[data-testid=\"stDataFrame\"] canvas') !== null"


def overview(page: Page, address: str) -> Line:
    taken = [until_painted(page, address, TABLE) for _ in range(VISITS + 2)][2:]
    late = quantiles(taken, n=20)[-1]
    return at_most(
        "overview, first paint of a warm server, p95", late, 1.5, "{:.2f} s", f" (median {median(taken):.2f} s)"
    )


def charts(page: Page, address: str) -> Iterator[Line]:
    """Another run on the page about a run; fifty runs in one chart; the bytes of the long run's page."""
    until_painted(page, f"{address}/run?run={RUNS + 1}")
    first, whole = zip(*(switched(page, run) for run in range(1, SWITCHES + 1)), strict=True)
    all_of_it = f" (all its charts: {1e3 * median(whole[1:]):.0f} ms)"
    yield at_most(
        "another run on its page, its first chart, median", 1e3 * median(first[1:]), 700, "{:.0f} ms", all_of_it
    )
    together = ",".join(str(run) for run in range(1, TOGETHER + 1))
    for what, query in (("in one chart", "&q=score_mean"), ("in all the usual charts", "")):
        seen = [until_painted(page, f"{address}/compare?runs={together}{query}") for _ in range(4)][1:]
        name = f"{TOGETHER} runs of 2,000 points {what}, the whole page from its address"
        yield at_most(name, median(seen), 1.0, "{:.2f} s") if query else Line(name, f"{median(seen):.2f} s")
    for name, where in (("500 steps", RUNS), (f"{LONG:,} steps", RUNS + 1)):
        yield Line(
            f"sent for the page of a run of {name}, all charts",
            f"{received(page, f'{address}/run?run={where}') / 1e3:,.0f} kB",
        )


def switched(page: Page, run: int) -> tuple[float, float]:
    """Seconds from choosing another run until its first chart is drawn, and until the page rests."""
    page.wait_for_function(IDLE, timeout=PATIENCE)
    choice = page.locator('[data-testid="stSelectbox"] input').first
    choice.click()
    choice.fill(f"benchmark/run {run - 1}")
    begin = time.perf_counter()
    choice.press("Enter")
    page.wait_for_function(
        f"() => document.querySelector('[class*=\"st-key-panel-{run}-\"] svg path')", timeout=PATIENCE
    )
    first = time.perf_counter() - begin
    page.wait_for_function(IDLE, timeout=PATIENCE)
    return first, time.perf_counter() - begin


def received(page: Page, address: str) -> int:
    """Bytes that come over the page's websocket until it rests."""
    got: list[int] = []

    def listen(socket: Any) -> None:
        socket.on("framereceived", lambda payload: got.append(len(payload)))

    page.on("websocket", listen)
    until_painted(page, address)
    page.wait_for_function(IDLE, timeout=PATIENCE)
    page.remove_listener("websocket", listen)
    return sum(got)


def tick(page: Page, address: str, store: sa.Engine) -> Line:
    """CPU of the server for one new row of the run that is looked at, less what the same time costs without news."""
    until_painted(page, f"{address}/run?run={RUNS}")
    page.wait_for_function(IDLE, timeout=PATIENCE)
    server = server_of(address)
    idle = [cpu_over(server, 6.0) for _ in range(3)]
    busy = []
    for number in range(TICKS):
        append(store, RUNS, 501 + number)
        busy.append(cpu_over(server, 6.0))
    return at_most("a live tick, CPU of the server", 1e3 * (median(busy) - median(idle)), 200, "{:.0f} ms")


def append(store: sa.Engine, run: int, step: int) -> None:
    with writing(store) as connection:
        place = next(iter(sources.places(connection, [f"/run/{run - 1}/log"]).values()))
        row = dict.fromkeys(metric_names(50), 0.5)
        put(connection, place, Part([block_of([step], [row], [float("nan")])]), restarted=False, modified=0.0)


def server_of(address: str) -> int:
    """The process that listens there (Linux)."""
    port = address.rpartition(":")[2]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"streamlit" in b" ".join(words) and any(port.encode() in word for word in words):
            return int(process.name)
    raise RuntimeError(f"no process serves {address}")


def cpu_over(process: int, seconds: float) -> float:
    def used() -> float:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(seconds)
    return used() - before


def viewers(open_page: Callable[[], Page], address: str) -> Line:
    """Twenty at once, on the overview and on runs; how many saw their page, and any error in a console."""
    pages, errors = [open_page() for _ in range(VIEWERS)], []
    begin = time.perf_counter()
    for number, page in enumerate(pages):
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address if number % 2 else f"{address}/run?run={number + 1}", wait_until="commit")
    for number, page in enumerate(pages):
        page.bring_to_front()  # what is behind is not painted by the browser
        page.wait_for_function(TABLE if number % 2 else PAINTED, timeout=4 * PATIENCE)
    taken = time.perf_counter() - begin
    stumbled = sum("has stumbled" in page.content() for page in pages)
    for page in pages:
        page.close()
    met = not errors and not stumbled
    told = f"all painted after {taken:.1f} s, {len(errors) + stumbled} errors"
    return Line(f"{VIEWERS} viewers at once, one browser on the same cores", told, "0 errors", met)


# --- the same question asked of others --------------------------------------------------------------------------------


def beside(folder: Path) -> Iterator[Line]:
    """One curve of 20,000 steps with a spike of one step: seconds, bytes, and whether the spike came through."""
    with ExitStack() as stack:
        yield _asked("MLflow's UI, the curve that it draws", stack.enter_context(mlflow(folder)))
        yield _asked("TensorBoard, the curve that it draws", stack.enter_context(tensorboard(folder)))


def _asked(what: str, fetch: Callable[[], bytes]) -> Line:
    taken, got = [], b""
    for _ in range(6):
        begin = time.perf_counter()
        got = fetch()
        taken.append(time.perf_counter() - begin)
    points = got.count(b'"value"') or got.count(b"],") + 1
    kept = "the spike is there" if b"1000000" in got else "**the spike is lost**"
    told = f"{1e3 * median(taken[1:]):.0f} ms, {len(got) / 1e3:,.0f} kB, {points:,} of {LONG:,} points, {kept}"
    return Line(f"{what}: 1 metric x {LONG:,} steps", told)


@contextmanager
def mlflow(folder: Path) -> Iterator[Callable[[], bytes]]:
    from mlflow.entities import Metric

    client = peers.mlflow_client(folder)
    run = client.create_run("0").info.run_id
    values = np.sin(np.arange(1, LONG + 1) / 300)
    values[SPIKE_AT - 1] = SPIKE
    points = [Metric("actor/entropy", float(value), 0, step) for step, value in enumerate(values, 1)]
    for start in range(0, LONG, 1_000):
        client.log_batch(run, metrics=points[start : start + 1_000])
    port = free_port()
    store = ["--backend-store-uri", peers.mlflow_uri(folder), "--host", "127.0.0.1", "--port", str(port)]
    query = f"run_ids={run}&metric_key=actor/entropy&max_results=320"  # what its charts ask for
    address = f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{query}"
    with process([sys.executable, "-m", "mlflow", "server", *store], f"http://127.0.0.1:{port}/health"):
        yield lambda: fetched(address)


@contextmanager
def tensorboard(folder: Path) -> Iterator[Callable[[], bytes]]:
    logs = folder / "tensorboard" / "run"
    logs.mkdir(parents=True)
    (logs / "events.out.tfevents.1.host.1.0").write_bytes(event_file(LONG, 1, spike=(SPIKE_AT, SPIKE)))
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs.parent), "--port", str(port)]
    query = f"run=run&tag={metric_names(1)[0].replace('/', '%2F')}"
    address = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?{query}"
    with process([*command, "--host", "127.0.0.1"], address):
        yield lambda: fetched(address)


@contextmanager
def process(command: list[str], ready: str) -> Iterator[None]:
    """A server, once it answers there."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                json.dumps(fetched(ready).decode())
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        running.terminate()
        running.wait(30)


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        body: bytes = answer.read()
        return body
