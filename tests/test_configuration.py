"""One rule of precedence for every environment, and one sentence about a file that cannot be used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from crypto_kedro.configuration import ConfigurationRefusedError, ProjectConfigLoader, checked_parameters, differences
from crypto_kedro.settings import CONFIG_LOADER_ARGS

pytestmark = pytest.mark.filterwarnings("ignore:register_new_resolver")
ROOT = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
ENVIRONMENTS = (None, "paper", "live")
SECRET = "recognisable-secret-of-a-test"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The shipped configuration with an empty local folder."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    for name in ("local", "demo"):
        (tmp_path / "conf" / name).mkdir(exist_ok=True)
    return tmp_path / "conf"


def loader(conf: Path, env: str | None = None, params: dict[str, Any] | None = None) -> ProjectConfigLoader:
    return ProjectConfigLoader(str(conf), env, params, **CONFIG_LOADER_ARGS)


def write(conf: Path, name: str, text: str) -> None:
    (conf / name).write_text(text)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_local_parameters_hold_in_every_environment(conf: Path, env: str | None) -> None:
    write(
        conf, "local/parameters_own.yml", "trading: {guards: {max_daily_loss: 0.001}, sizing: {risk_fraction: 0.002}}"
    )

    trading = checked_parameters(loader(conf, env)).trading

    assert (trading.guards.max_daily_loss, trading.sizing.risk_fraction) == (0.001, 0.002)
    assert trading.guards.max_trades_a_day == 20


def test_each_layer_goes_before_the_one_below(conf: Path) -> None:
    names = ("max_daily_loss", "max_trades_a_day", "max_data_age_seconds")

    def values(params: dict[str, Any] | None = None) -> list[float]:
        guards = checked_parameters(loader(conf, "paper", params)).trading.guards
        return [float(getattr(guards, name)) for name in names]

    base = values()
    write(conf, "paper/parameters_own.yml", "trading: {guards: {max_daily_loss: 0.01, max_trades_a_day: 2}}")
    assert values() == [0.01, 2, base[2]]
    write(conf, "local/parameters.yml", "trading: {guards: {max_daily_loss: 0.002}}")
    assert values() == [0.002, 2, base[2]]
    assert values({"trading": {"guards": {"max_daily_loss": 0.001}}}) == [0.001, 2, base[2]]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_partial_globals_file_merges_in_every_environment(conf: Path, env: str | None) -> None:
    write(conf, "local/globals.yml", "data: {source: file, path: my/candles.csv}")

    opened = loader(conf, env)
    # Another loader takes the process-wide resolvers; reading must not depend on whose they are.
    OmegaConfigLoader(str(conf), base_env="base", default_run_env="live")

    data = checked_parameters(opened).data
    assert (data.source, data.path, data.pair, data.synthetic.days) == ("file", "my/candles.csv", "btc_jpy", 180)
    assert opened["catalog"]["candles"]["source"] == "file"


def test_the_environments_globals_yield_to_local_ones(conf: Path) -> None:
    write(conf, "paper/globals.yml", "data: {pair: eth_jpy, synthetic: {days: 5}}")
    write(conf, "local/globals.yml", "data: {synthetic: {days: 6}}")

    data = checked_parameters(loader(conf, "paper")).data

    assert (data.pair, data.synthetic.days, data.synthetic.seed) == ("eth_jpy", 6, 7)


def test_base_alone_is_read_when_it_is_named(conf: Path) -> None:
    write(conf, "local/parameters.yml", "trading: {sizing: {risk_fraction: 0.002}}")

    assert checked_parameters(loader(conf, "base")).trading.sizing.risk_fraction == 0.01


@pytest.mark.parametrize("layer", ["live", "local"])
def test_the_arming_switch_is_refused_in_every_file(conf: Path, layer: str) -> None:
    write(conf, f"{layer}/parameters_own.yml", "session: {armed: true}")
    if layer == "live":
        file = conf / "live" / "parameters_session.yml"
        file.write_text(file.read_text().replace("armed: false", ""))

    with pytest.raises(ConfigurationRefusedError, match=f"conf/{layer}/parameters_own.yml sets session.armed; remove"):
        loader(conf, "live")["parameters"]


def test_the_arming_switch_is_taken_from_params(conf: Path) -> None:
    session = checked_parameters(loader(conf, "live", {"session": {"armed": True}})).session

    assert session is not None
    assert session.armed


def test_differences_name_value_base_and_source(conf: Path) -> None:
    write(conf, "local/parameters.yml", "trading: {sizing: {risk_fraction: 0.002}, guards: {max_trades_a_day: 20}}")
    write(conf, "local/globals.yml", "data: {synthetic: {seed: 8}}")
    write(conf, "local/catalog.yml", "labels: {type: MemoryDataset, token: " + SECRET + "}")
    write(conf, "local/credentials.yml", f"bitbank: {{key: {SECRET}, secret: {SECRET}}}")
    params = {"training": {"seed": 1}, "tracking": {"uri": f"postgresql://me:{SECRET}@host/db"}}

    shown = [str(difference) for difference in differences(loader(conf, None, params))]

    assert sorted(shown) == [
        "catalog.labels, from conf/local/catalog.yml",
        "credentials.bitbank, from conf/local/credentials.yml",
        "data.synthetic.seed = 8 (base 7), from conf/local/globals.yml",
        "tracking.uri = postgresql://host/db (base sqlite:///data/mlflow.db), from --params",
        "trading.sizing.risk_fraction = 0.002 (base 0.01), from conf/local/parameters.yml",
        "training.seed = 1 (base 7), from --params",
    ]


def test_the_shipped_configuration_differs_in_nothing(conf: Path) -> None:
    assert differences(loader(conf)) == []


def test_a_session_names_the_values_of_its_environment(conf: Path) -> None:
    shown = [str(difference) for difference in differences(loader(conf, "paper"))]

    assert "session.exchange = simulator (not in base), from conf/paper/parameters_session.yml" in shown


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("parameters.yml", b"- a\n- b\n", "holds a list instead of keys"),
        ("parameters.yml", b"hello", "holds a single value instead of keys"),
        ("parameters.yml", b"trading:\n\tsizing: 1\n", "cannot be read at line 2"),
        ("parameters.yml", b"trading: {sizing: {risk_fraction: 1, risk_fraction: 2}}", "duplicate key risk_fraction"),
        ("parameters.yml", "trading: 円".encode("shift-jis"), "is not UTF-8 text"),
        ("parameters.yml", b"a: &a [*a]", "cannot be read"),
        ("parameters.yml", b"a: !!python/object:os.system {}", "cannot be read"),
        ("parameters.yml", b"1: {}", "has a key that is not text"),
        ("parameters.yml", b"trading: '${nowhere}'", "cannot be resolved"),
        ("parameters.yml", b"trading: {sizing: {risk_fraction: '${globals:nowhere}'}}", "cannot be resolved"),
        ("parameters.yml", b"data: {source: file}", "set it in conf/local/globals.yml"),
        ("parameters.yml", b"trading: {sizing: {risk_fractoin: 1}}", "did you mean trading.sizing.risk_fraction?"),
        ("parameters.yml", b"trading: 5", "trading is 5, but"),
        ("globals.yml", b"data: {sorce: file}", "unknown key data.sorce; did you mean data.source?"),
        ("globals.yml", b"data: {source: fil}", "data.source is 'fil', but"),
        ("globals.yml", b"data: {synthetic: {days: many}}", "data.synthetic.days is 'many', but"),
        ("globals.yml", b"- a", "holds a list"),
        ("globals.yml", b"data: [", "cannot be read at line"),
        ("catalog.yml", b"- a", "holds a list"),
        ("catalog.yml", b"x: {type: '${globals:nowhere}'}", "cannot be resolved"),
        ("run.yml", b"- a", "holds a list"),
        ("credentials.yml", b"- a", "holds a list"),
        ("parameter.yml", b"", "did you mean parameters.yml?"),
        ("global.yml", b"", "did you mean globals.yml?"),
        ("globals.yaml", b"", "did you mean globals.yml?"),
        ("credential.json", b"{}", "did you mean credentials.yml?"),
        ("parameters.YML", b"", "did you mean parameters.yml?"),
        ("parameters.txt", b"", "did you mean parameters.yml?"),
        ("other.yml", b"", "known here: "),
        ("features.json", b"{", "is no JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_sentence(
    conf: Path, name: str, content: bytes, sentence: str
) -> None:
    (conf / "local" / name).write_bytes(content)

    with pytest.raises(ConfigurationRefusedError) as refused:
        read_all(loader(conf, "paper"))

    assert sentence in str(refused.value)
    assert f"conf/local/{name}" in str(refused.value)
    assert "\n" not in str(refused.value)


def read_all(opened: ProjectConfigLoader) -> None:
    checked_parameters(opened)
    for kind in ("catalog", "run"):
        opened[kind]
    opened.get("credentials") if opened.files("credentials") else None


def test_a_folder_or_dangling_link_by_the_name_of_a_file_is_refused(conf: Path) -> None:
    (conf / "local" / "parameters.yml").mkdir()
    with pytest.raises(ConfigurationRefusedError, match=r"conf/local/parameters\.yml is not a file"):
        loader(conf)["parameters"]

    (conf / "local" / "parameters.yml").rmdir()
    (conf / "local" / "parameters.yml").symlink_to("nowhere")
    with pytest.raises(ConfigurationRefusedError, match=r"conf/local/parameters\.yml is not a file"):
        loader(conf)["parameters"]


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        (
            "trading: {sizing: {risk_fraction: 1}}",
            "trading: {sizing: {risk_fraction: 2}}",
            "trading.sizing.risk_fraction",
        ),
        ("trading: {sizing: null}", "trading: {sizing: {risk_fraction: 2}}", "trading.sizing.risk_fraction"),
        ("trading: {sizing: {risk_fraction: 2}}", "trading: {sizing: {}}", "trading.sizing"),
    ],
)
def test_a_key_in_two_files_of_a_folder_is_refused(conf: Path, one: str, other: str, key: str) -> None:
    write(conf, "local/parameters.yml", one)
    write(conf, "local/parameters_b.yml", other)

    with pytest.raises(ConfigurationRefusedError, match=f"{key}.* is set in both conf/local/parameters.yml and "):
        loader(conf)["parameters"]


def test_empty_files_backups_and_an_absent_local_folder_are_fine(conf: Path) -> None:
    for name in ("parameters.yml", "globals.yml", "credentials.yml", "parameters.yml.bak", "README.md", ".hidden.yml"):
        write(conf, f"local/{name}", "")
    read_all(loader(conf, "paper"))

    shutil.rmtree(conf / "local")
    read_all(loader(conf, "paper"))


def test_an_unknown_environment_is_refused(conf: Path) -> None:
    with pytest.raises(ConfigurationRefusedError, match="conf/papr is no folder of configuration; check --env papr"):
        loader(conf, "papr")


@pytest.mark.parametrize("folder", ["with [brackets]", "with ? and *", "with %20"])
def test_the_projects_path_is_no_pattern(conf: Path, tmp_path: Path, folder: str) -> None:
    moved = tmp_path / folder / "conf"
    shutil.copytree(conf, moved)
    write(moved, "local/parameters.yml", "training: {seed: 3}")

    assert checked_parameters(loader(moved)).training.seed == 3


def kedro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "250"}
    return subprocess.run(
        [KEDRO, *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def project(conf: Path) -> Path:
    """A project around the configuration."""
    shutil.copy(ROOT / "pyproject.toml", conf.parent)
    shutil.copytree(ROOT / "src" / "crypto_kedro", conf.parent / "src" / "crypto_kedro")
    return conf.parent


@pytest.mark.parametrize("command", [("run", "--env", "paper"), ("catalog", "describe-datasets")])
def test_every_command_refuses_a_list_without_a_traceback(project: Path, command: tuple[str, ...]) -> None:
    write(project / "conf", "local/parameters.yml", "- a\n- b\n")

    refused = kedro(project, *command)

    printed = " ".join((refused.stdout + refused.stderr).split())
    assert refused.returncode == 1
    assert "Traceback" not in printed
    assert "parameters.yml" in printed


def test_the_arming_switch_in_a_file_of_options_is_refused(project: Path) -> None:
    write(project, "options.yml", "run: {env: live, params: 'session.armed=true'}")

    refused = kedro(project, "run", "--config", "options.yml")

    assert refused.returncode == 1
    assert "--config sets session.armed" in refused.stderr
