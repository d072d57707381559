"""Any bytes order a halt: in the flag, on the command line of a real process, and as text from anywhere."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.stop import StopFlag, StopOrder, halt_in_force, standing_halt, stop_session
from crypto_kedro.session.stop_order import LONGEST_REASON, plain_text, read_order

ROOT = Path(__file__).resolve().parents[3]
NOW_MS = 1_790_000_000_000
BY_HAND = "the flag was put there by hand"
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
"""Lone surrogates and control characters included."""


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    folder = SessionFolder.of(tmp_path, "paper")
    folder.root.mkdir(parents=True)
    return folder


@settings(max_examples=50)
@given(st.one_of(st.binary(), ANY_TEXT, st.none(), st.integers(), st.lists(st.text())))
def test_a_plain_text_is_one_bounded_printable_line(value: object) -> None:
    line = plain_text(value)
    assert len(line) <= LONGEST_REASON
    assert line.isprintable()
    assert line == line.strip() == line.encode().decode()
    assert plain_text(line) == line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b"caf\xe9", "caf\ufffd"),
        ("caf\udce9", "caf\ufffd"),
        ("\ud800", "\ufffd"),
        ("急変 \N{PILE OF POO}", "急変 \N{PILE OF POO}"),
        ("two\r\nlines\t\x00\x1b[31m", "two lines \ufffd\ufffd[31m"),
        ("\u202eleft", "\ufffdleft"),
        (b"\xef\xbb\xbfbyte order mark", "byte order mark"),
        ("x" * 10_000_000, "x" * (LONGEST_REASON - 1) + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_what_cannot_be_decoded_is_replaced(value: object, line: str) -> None:
    assert plain_text(value) == line


@settings(max_examples=50)
@given(st.one_of(st.binary(), st.builds(lambda fields: json.dumps(fields).encode(), st.dictionaries(
    st.sampled_from(["by", "reason", "flatten", "more"]), st.recursive(ANY_TEXT | st.none() | st.booleans(), st.lists)
))))  # fmt: skip
def test_any_content_is_an_order_that_can_be_written(content: bytes) -> None:
    order = read_order(content, by="STOP")
    assert order.by
    assert order.reason
    json.dumps([order.by, order.reason], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("content", "order"),
    [
        (b"", StopOrder("STOP", BY_HAND)),
        (b" Flatten\n", StopOrder("STOP", BY_HAND, flatten=True)),
        (b"news at nine\n", StopOrder("STOP", "news at nine")),
        (b"caf\xe9", StopOrder("STOP", "caf\ufffd")),
        (b'{"reason": "caf\xe9", "flatten": true}', StopOrder("STOP", "caf\ufffd", flatten=True)),
        (b'{"reason": "\\ud800", "by": "\\udfff", "flatten": true}', StopOrder("\ufffd", "\ufffd", flatten=True)),
        (b'{"reason": 5, "flatten": "yes"}', StopOrder("STOP", "5")),
        (b'{"reason": null, "by": " "}', StopOrder("STOP", BY_HAND)),
        (b"[" * 100_000, StopOrder("STOP", "[" * (LONGEST_REASON - 1) + "\N{HORIZONTAL ELLIPSIS}")),
        (b"\x00" * 3, StopOrder("STOP", "\ufffd" * 3)),
    ],
)
def test_a_flag_of_any_content_halts_and_reaches_the_journal(
    folder: SessionFolder, content: bytes, order: StopOrder
) -> None:
    folder.stop_flag.write_bytes(content)
    flag = StopFlag(folder.stop_flag)
    assert flag.standing() == order
    with Journal.open(folder.journal) as journal:
        halt = halt_in_force(flag, journal, NOW_MS)
    assert halt is not None
    assert (halt.by, halt.reason, halt.flatten) == (order.by, order.reason, order.flatten)


@pytest.mark.parametrize(
    "put",
    [
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: (path.touch(), path.chmod(0)),
        lambda path: (path.touch(), os.truncate(path, 2**33)),
    ],
    ids=["directory", "pipe", "dangling", "loop", "device", "forbidden", "huge"],
)
def test_a_flag_of_any_kind_halts(folder: SessionFolder, put: Callable[[Path], object]) -> None:
    put(folder.stop_flag)
    assert StopFlag(folder.stop_flag).standing() is not None
    assert standing_halt(folder) is not None


def test_a_directory_as_flag_is_a_halt_that_a_stop_confirms(folder: SessionFolder) -> None:
    folder.stop_flag.mkdir()
    assert stop_session(folder, StopOrder("hanako", "news"), NOW_MS) == ()


def test_a_process_without_descriptors_takes_no_flag_for_none(folder: SessionFolder) -> None:
    program = (
        "import os, resource, sys\nfrom pathlib import Path\nfrom crypto_kedro.session.stop import StopFlag\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "flag = StopFlag(Path(sys.argv[1]))\nbefore = flag.standing()\nos.mkdir(sys.argv[1])\n"
        "sys.exit(before is not None or flag.standing() is None)"
    )
    done = subprocess.run([sys.executable, "-c", program, folder.stop_flag], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "reason",
    [
        b"caf\xe9",
        *(
            pytest.param(other, marks=pytest.mark.slow)
            for other in ("急変".encode("shift_jis"), b"\xed\xa0\x80", b"\x1b")
        ),
    ],
)
def test_a_stop_takes_the_bytes_of_any_terminal(tmp_path: Path, reason: bytes) -> None:
    shutil.copytree(ROOT / "conf" / "base", tmp_path / "conf" / "base")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "conf" / "local").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "crypto_kedro").symlink_to(ROOT / "src" / "crypto_kedro")
    kedro = Path(sys.executable).with_name("kedro")
    environment = {**os.environ, "LOGNAME": os.fsdecode(b"hanak\xf6"), "PYTHONIOENCODING": "latin-1"}
    for command in ([b"stop", b"--reason", reason], [b"resume", b"--env", b"paper", b"--reason", reason]):
        done = subprocess.run([kedro, *command], cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    halt = standing_halt(SessionFolder.of(tmp_path, "live"))
    assert halt == StopOrder("hanak\ufffd", plain_text(reason))
