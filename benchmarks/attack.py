"""Attack what takes anything from outside: 12 kinds of input, and kill -9 in the middle of every kind of write.

    python -m benchmarks.attack 20000 --seed 1 --kills 20 --write

Prints a table: tried, answered with something else than words (a traceback, a 500, a path of the server), slower than
10 s, and of the writes how many were killed at work and how many folders were not whole. ``--write`` puts it into the
guide of security. The server is attacked as it runs, over the network, as a stranger and as a viewer.
"""

# ruff: noqa: E501 - tables and lists of words stand here as they are
from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

import balance_lib
from balance_lib._errors import BalanceError
from balance_lib.office.store import Stamp, Store
from balance_lib.plain import csv_cell, from_yaml, harmless
from balance_lib.scenarios import Scenario
from balance_lib.shipped import shipped
from benchmarks import fuzz_intake
from tests.attack import killing
from tests.attack.test_doors import PAGE, PLANNER, VIEWER
from tests.frames import PROTOCOL, message
from tests.serving import TOP, Served, write_notebook

HANG_S = 10
PART = 200  # so many inputs of a kind are tried by one process at a time
LEAK = re.compile(r"Traceback|site-packages|/root/|/home/|\.py\", line|balance_lib/", re.I)
HOSTILE = [
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "\0", "<script>alert(1)</script>", "' OR 1=1 --", "=cmd|' /C'!A0",
    "\u202e", "\ud800", "a" * 5000, "9" * 5000, "-1", "1e999", "nan", "{{7*7}}", "${jndi:x}", "[..]", "..;/", "//evil", "\r\nX: y",
    "县", "😀" * 200, "", " ", ".", "..", "~", "CON", "%", "%zz", "?", "#", "&", "&&", "|", ";", "`id`", "$(id)",
]  # fmt: skip


@dataclass
class Row:
    """Count what came of one kind of input."""

    tried: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    slow: int = 0
    longest_s: float = 0.0

    def __add__(self, other: Row) -> Row:
        longest = max(self.longest_s, other.longest_s)
        return Row(self.tried + other.tried, self.wrong + other.wrong, self.slow + other.slow, longest)


class _HangError(BaseException):
    """Nothing came back in time."""


def _hang(*_: object) -> None:
    raise _HangError


Attack = Callable[[random.Random], None]


def rounds(attack: Attack, numbers: range, seed: int, *, network: bool) -> Row:
    """Try one kind once for each number; what is not said in words is counted by where it happened.

    Over the network the clock runs, and what hangs is sent again: another program may have had the machine. Of what this
    process does itself the time it worked counts, whoever else is busy.
    """
    row, clock = Row(), time.monotonic if network else time.process_time
    timer = signal.ITIMER_REAL if network else signal.ITIMER_PROF
    for kind in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(kind, _hang)
    for number in numbers:
        for last in (False, True) if network else (True,):
            begun, again = clock(), False
            signal.setitimer(timer, HANG_S)
            try:
                attack(random.Random(f"{seed}-{number}"))
            except (BalanceError, yaml.YAMLError) as error:
                if LEAK.search(error.message("zh") if isinstance(error, BalanceError) else str(error)):
                    row.wrong[f"a path is told: {str(error)[:80]}"] += 1
            except _HangError:
                again = not last
                row.slow += last
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                row.wrong[
                    f"{type(error).__name__} {frame.filename}:{frame.lineno} {str(error)[:60]} (round {number})"
                ] += 1
            finally:
                signal.setitimer(timer, 0)
            if not again:
                break
        row.tried += 1
        row.longest_s = max(row.longest_s, clock() - begun)
    return row


def word(dice: random.Random) -> str:
    """Return a hostile word, alone or in something harmless."""
    said = dice.choice(HOSTILE)
    return dice.choice([said, f"akqi{said}", f"{said}{dice.choice(HOSTILE)}"])


def encoded(dice: random.Random) -> bytes:
    """Return a hostile word as bytes; half a character becomes a question mark."""
    return word(dice).encode("utf-8", "replace")


# ---- what is read from files and stored ----------------------------------------------------------------------------


def of_file(name: str, sound: dict[str, bytes]) -> Attack:
    """Return the import of a mutated file of a kind."""

    def attack(dice: random.Random) -> None:
        with tempfile.TemporaryDirectory() as place:
            content = fuzz_intake.mutated(sound.get(name, sound["schools.csv"]), dice)
            act = fuzz_intake.imported if name in sound else fuzz_intake.folder_checked
            act(name, content, sound, Path(place))

    return attack


def yaml_text(dice: random.Random) -> None:
    """Read mutated YAML as a scenario, and hostile words as YAML."""
    text = (shipped("demo") / "jiaohe" / "scenarios" / "2009-2011.yaml").read_bytes()
    said = fuzz_intake.mutated(text, dice).decode("utf-8", "replace")
    from_yaml(dice.choice([said, f"a: {word(dice)}\nb: {word(dice)}"]))
    Scenario.from_yaml(said if "\n" in said else said + "\n")


def names(dice: random.Random) -> None:
    """Clean a name for a page and for a cell, and hold that nothing harmful stays."""
    said = "".join(dice.choice([word(dice), chr(dice.randrange(0x11000))]) for _ in range(3))
    clean, cell = harmless(said, 80), csv_cell(said)
    assert len(clean) <= 80 and clean.isprintable() is not None and "\0" not in clean and "\u202e" not in clean
    assert not re.match(r"\s*[=+\-@]", cell)


class Ids:
    """Ask a store for ids nobody gave, and save under names nobody would choose."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.at(folder)

    def __call__(self, dice: random.Random) -> None:
        """Ask once."""
        said = word(dice).encode("utf-8", "replace").decode()
        dice.choice([
            lambda: self.store.scenario(said), lambda: self.store.entry(said), lambda: self.store.evidence_bytes(said),
            lambda: self.store.history(subject_id=said), lambda: self.store.scenarios(said),
            lambda: self.store.save_scenario("a: 1", name=said, author=said, county_id=said, stamp=Stamp()),
            lambda: self.store.add_evidence(said, b"%PDF-1", who=said, county_id=said, standard_id=said, stamp=Stamp()),
        ])()  # fmt: skip


class Backups:
    """Restore backups with a part mutated, and hold that what stood stands."""

    def __init__(self, folder: Path) -> None:
        self.store, self.folder = Store.at(folder / "s"), folder
        self.store.save_scenario("a: 1", name="n", author="甲", county_id="c", stamp=Stamp())
        self.store.backup(folder / "good.zip")
        with zipfile.ZipFile(folder / "good.zip") as good:
            self.parts = {name: good.read(name) for name in good.namelist()}

    def __call__(self, dice: random.Random) -> None:
        """Restore once."""
        chosen = dice.choice([*self.parts])
        with zipfile.ZipFile(self.folder / "bad.zip", "w") as bad:
            for name, content in self.parts.items():
                bad.writestr(name, fuzz_intake.mutated(content, dice) if name == chosen else content)
        try:
            self.store.restore(self.folder / "bad.zip", replace=True)
        except BalanceError:
            assert len(self.store.scenarios("c")) == 1, "a refused backup changed the store"
        else:  # what reads as a backup is one: back to the good one
            self.store.restore(self.folder / "good.zip", replace=True)


# ---- the server as it runs -----------------------------------------------------------------------------------------


class Network:
    """Attack a server over HTTP and sockets."""

    def __init__(self, folder: Path) -> None:
        write_notebook(folder, "index", [PAGE], title="首页")
        tokens = {"BALANCE_TOKEN": PLANNER, "BALANCE_VIEWER_TOKEN": VIEWER, "BALANCE_HOME": str(folder / "home")}
        (folder / "home").mkdir()
        self.served = Served(folder, root=folder / "home", environment=tokens)
        self.cookie, self.kernel, self.opened = "", "", contextlib.ExitStack()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Send one request byte by byte as it is; return the status and the text of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=HANG_S + 2)
        connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
        raw = path.encode("utf-8", "replace")
        connection._buffer[0] = method.encode() + b" " + raw + b" HTTP/1.1"  # type: ignore[attr-defined]
        for name, value in {"Host": "127.0.0.1", **headers}.items():
            connection._buffer.append(f"{name.replace('_', '-')}: {value}".encode("utf-8", "replace"))  # type: ignore[attr-defined]
        try:
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):  # hung up on: that is an answer
            return 0, ""
        finally:
            connection.close()

    def judged(self, status: int, text: str) -> None:
        """Refuse an answer that is the server's fault or tells of its inside."""
        assert status < 500, f"status {status}"
        assert not LEAK.search(text), LEAK.search(text)

    def paths(self, dice: random.Random) -> None:
        """Ask for an address that is none, as a stranger or a viewer."""
        begin = dice.choice(["/", "/voila/render/", "/voila/static/", "/voila/templates/balance/static/", "/api/kernels/",
                             "/voila/balance/", "/static/", "/files/", "/voila/query/", "/api/contents/", "/login"])  # fmt: skip
        said = dice.choice([quote(encoded(dice), safe=""), word(dice).replace("\r\n", "").replace(" ", "")])
        who = {"Authorization": f"token {VIEWER}"} if dice.random() < 0.3 and "render" not in begin else {}
        self.judged(*self.ask(dice.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "X"]), begin + said, **who))

    def heads(self, dice: random.Random) -> None:
        """Send heads that are none."""
        name = dice.choice(["Host", "Cookie", "Origin", "X_Forwarded_For", "X_Real_IP", "Range", "If_None_Match",
                            "Content_Type", "Authorization", "Accept_Language", "Balance_Role", "Upgrade"])  # fmt: skip
        self.judged(*self.ask("GET", f"/login?next={quote(encoded(dice))}", **{name: word(dice).replace("\r\n", "")}))

    def forms(self, dice: random.Random) -> None:
        """Post to the login and to the kernels what no page posts; each from an address of its own."""
        body = fuzz_intake.mutated(f"password={quote(encoded(dice))}&_xsrf=a".encode(), dice)
        source = ".".join(str(dice.randrange(1, 250)) for _ in range(4))
        heads = {"Cookie": "_xsrf=a", "X_Real_IP": source, "Content_Length": str(len(body))}
        heads["Content_Type"] = dice.choice(
            ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", word(dice)]
        )
        heads["Content_Type"] = heads["Content_Type"].replace("\r\n", "")
        self.judged(*self.ask("POST", dice.choice(["/login", "/api/kernels", "/voila/api/shutdown/x"]), body, **heads))

    def raw(self, dice: random.Random) -> None:
        """Send bytes that are no request, and hang up."""
        said = fuzz_intake.mutated(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", dice)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.served.port), timeout=2) as end:
            end.sendall(said)
            end.shutdown(socket.SHUT_WR)
            answer = end.recv(2000).decode("latin-1")
            assert " 500 " not in answer[:20] and not LEAK.search(answer), answer[:80]

    def sockets(self, dice: random.Random) -> None:
        """Send a viewer's kernel messages no page sends; nothing of its inside comes back."""
        from websockets.exceptions import WebSocketException

        try:
            for _ in range(5):
                kind = dice.choice(
                    ["comm_open", "comm_msg", "comm_close", "execute_request", "shutdown_request", word(dice)]
                )
                content = dice.choice([{"comm_id": word(dice), "data": dice.choice([[], 5, None, {"method": word(dice)}])},
                                       {"code": "import os; print(os.getcwd())"}, {}, {"comm_id": None}])  # fmt: skip
                sent = message(kind, content)
                self.channel.send(sent if dice.random() < 0.7 else fuzz_intake.mutated(sent, dice))
            with contextlib.suppress(TimeoutError):
                for _ in range(40):
                    frame = self.channel.recv(timeout=0.05)
                    text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                    assert not LEAK.search(text), text[:200]
        except (WebSocketException, OSError):  # hung up on: that is an answer, and the next round opens another
            self._hang_up()
        except BaseException:
            self._hang_up()
            raise
        if dice.random() < 0.1:
            self._hang_up()

    def _hang_up(self) -> None:
        if channel := vars(self).pop("channel", None):
            channel.close_socket()
            self.opened.close()

    @cached_property
    def channel(self) -> Any:
        """Return the socket of a viewer's kernel; opened again once the server has hung up."""
        from websockets.sync.client import connect

        if not self.cookie:
            self.open()
        address = f"ws://127.0.0.1:{self.served.port}/api/kernels/{self.kernel}/channels?session_id=s"
        origin: Any = f"http://127.0.0.1:{self.served.port}"
        return self.opened.enter_context(
            connect(address, additional_headers={"Cookie": self.cookie}, origin=origin, subprotocols=[PROTOCOL],
                    open_timeout=5, close_timeout=5)
        )  # fmt: skip

    def open(self) -> None:
        """Open the page as a viewer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=300)
        connection.request("GET", f"/voila/render/index.ipynb?token={VIEWER}")
        answer = connection.getresponse()
        text = answer.read().decode()
        self.kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', text).group(1)  # type: ignore[union-attr]
        self.cookie = "; ".join(c.split(";")[0] for c in answer.headers.get_all("Set-Cookie") or [])
        connection.close()


FILES: dict[str, Callable[[Path], Attack]] = {
    "Uploads: forms, workbooks (XLSX)": lambda _: of_file("workbook.xlsx", fuzz_intake.bases()),
    "Uploads: lists (CSV)": lambda _: of_file("list.csv", fuzz_intake.bases()),
    "Uploads: places (GeoJSON)": lambda _: of_file("schools.geojson", fuzz_intake.bases()),
    "YAML": lambda _: yaml_text, "Names": lambda _: names, "Ids": Ids, "Backups": Backups,
}  # fmt: skip
WAYS_IN = {
    "HTTP: addresses": Network.paths, "HTTP: heads": Network.heads, "HTTP: forms": Network.forms,
    "TCP: raw bytes": Network.raw, "Sockets: messages": Network.sockets,
}  # fmt: skip


def by_files(name: str, numbers: range, seed: int) -> Row:
    """Try a kind of input that needs no server."""
    with tempfile.TemporaryDirectory() as place:
        return rounds(FILES[name](Path(place)), numbers, seed, network=False)


def by_network(times: int, seed: int) -> Iterator[tuple[str, Row]]:
    """Try every way into one running server so often, and hold that it still answers."""
    with tempfile.TemporaryDirectory() as place:
        net = Network(Path(place))
        try:
            net.open()
            for name, attack in WAYS_IN.items():
                yield name, rounds(partial(attack, net), range(times), seed, network=True)
            assert net.served.process.poll() is None, "the server ended"
            assert net.ask("GET", "/login")[0] == 200, "the server no longer answers"
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):  # on a busy machine its kernels take their time
                net.served.close()


def kills(times: int, seed: int) -> dict[str, tuple[int, int]]:
    """Kill every kind of write so often; return how often it was at work, and how often something was not whole."""
    out = {}
    for name, write in killing.WRITES.items():
        dice, at_work, broken = random.Random(f"{seed}-{name}"), 0, 0
        with tempfile.TemporaryDirectory() as place:
            killing.prepare(Path(place), shipped("demo"))
            whole_s = killing.usual_s(name, Path(place))
            write.faults(Path(place))
            for _ in range(times):
                at_work += killing.killed(name, Path(place), dice.random(), whole_s)
                if told := write.faults(Path(place)):
                    broken += 1
                    print(f"    {name}: {told}")
        out[name] = (at_work, broken)
    return out


def table(rows: dict[str, Row], killed: dict[str, tuple[int, int]], lang: str) -> str:
    """Return both tables in Markdown."""
    zh = lang == "zh"
    lines = ["| 输入 | 次数 | 报错或泄露 | 超过10秒 | 最慢（秒） |" if zh else "| input | tried | traceback, 5xx or leak | over 10 s | slowest (s) |",
             "|---|--:|--:|--:|--:|"]  # fmt: skip
    lines += [f"| {n} | {r.tried} | {sum(r.wrong.values())} | {r.slow} | {r.longest_s:.1f} |" for n, r in rows.items()]
    total = sum(r.tried for r in rows.values())
    lines += [f"| **{'合计' if zh else 'all'}** | {total} | {sum(sum(r.wrong.values()) for r in rows.values())} | {sum(r.slow for r in rows.values())} | |",
              "", "| 写入 | 写到一半被强制结束的次数 | 之后不完整 |" if zh else "| write | killed at work | not whole after |", "|---|--:|--:|"]  # fmt: skip
    lines += [f"| {name} | {at_work} | {broken} |" for name, (at_work, broken) in killed.items()]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=TOP, capture_output=True, text=True, check=False
    )
    said = f"balance_lib {balance_lib.__version__} ({commit.stdout.strip()}), {date.today()}, `python -m benchmarks.attack`"
    return "\n".join([*lines, "", said])


def _results(jobs: dict[str, list[Future[Row]]]) -> Iterator[tuple[str, Row]]:
    for name, parts in jobs.items():
        yield name, sum((part.result() for part in parts), Row())


def main() -> None:
    """Attack, print, and write the tables into the operating guide if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20, help="of each kind of write")
    parser.add_argument("--beside", type=int, default=2, help="processes that try files beside the network")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/security.*.md")
    asked = parser.parse_args()
    times = math.ceil(asked.inputs / (len(WAYS_IN) + len(FILES)))
    parts = [range(at, min(at + PART, times)) for at in range(0, times, PART)]
    rows: dict[str, Row] = {}
    with ProcessPoolExecutor(asked.beside, get_context("spawn")) as beside:  # the server and its attacker mostly wait
        dying = beside.submit(kills, asked.kills, asked.seed)
        jobs = {name: [beside.submit(by_files, name, part, asked.seed) for part in parts] for name in FILES}
        try:
            for name, row in chain(by_network(times, asked.seed), _results(jobs)):
                rows[name] = row
                print(json.dumps({name: [row.tried, row.slow, round(row.longest_s, 1), row.wrong]}), flush=True)
            killed = dying.result()
        finally:
            beside.shutdown(cancel_futures=True)
    print(table(rows, killed, "en"))
    for lang in ("zh", "en") if asked.write else ():
        guide = TOP / "docs" / f"security.{lang}.md"
        begin, end = "<!-- attack -->", "<!-- /attack -->"
        before, _, rest = guide.read_text("utf-8").partition(begin)
        after = rest.partition(end)[2]
        guide.write_text(f"{before}{begin}\n\n{table(rows, killed, lang)}\n\n{end}{after}", "utf-8")


if __name__ == "__main__":
    main()
