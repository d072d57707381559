"""Where credentials come from, and that they show nowhere."""

import traceback
from pathlib import Path

import pytest
from kedro.io import DataCatalog, DatasetError

from crypto_kedro.configuration import ProjectConfigLoader
from crypto_kedro.credentials import CredentialsDataset, CredentialStore
from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters.messages import MessageParameters

pytestmark = pytest.mark.filterwarnings("ignore:register_new_resolver")
KEY, SECRET, TOKEN = "recognisable-key", "recognisable-secret", "recognisable-token-of-32-characters"
WEBHOOK = "https://discord.example/recognisable/webhook"
VARIABLES = ("BITBANK_API_KEY", "BITBANK_API_SECRET", "CRYPTO_KEDRO_FACE_TOKEN", "DISCORD_WEBHOOK_URL")
WRITTEN = f"bitbank: {{key: {KEY}, secret: {SECRET}}}\nface: {{token: {TOKEN}}}\nwebhooks: {{discord: '{WEBHOOK}'}}\n"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of the machine's own environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A configuration with the environments local and live, both empty."""
    for name in ("base", "local", "live"):
        (tmp_path / name).mkdir()
    return tmp_path


def read(conf: Path, env: str | None = "live") -> CredentialStore:
    return CredentialStore.read(ProjectConfigLoader(str(conf), env=env, base_env="base", default_run_env="local"))


def test_given_conf_local_when_another_environment_runs_then_its_credentials_are_read(conf: Path) -> None:
    (conf / "local" / "credentials.yml").write_text(WRITTEN)

    for env in (None, "local", "live"):
        store = read(conf, env)
        key, token = store.bitbank(), store.face_token()
        channels = MessageParameters.model_validate({"channels": {"discord": {}}}).open_channels(store.webhooks)
        assert key is not None
        assert token is not None
        assert (key.key, key.secret, token.secret) == (KEY, SECRET, TOKEN)
        assert [channel.address.url for channel in channels] == [WEBHOOK]


@pytest.mark.parametrize("env", [None, "live"])
def test_given_credentials_when_kedro_prints_what_it_read_then_no_value_shows(conf: Path, env: str | None) -> None:
    (conf / "local" / "credentials.yml").write_text(WRITTEN)
    loader = ProjectConfigLoader(str(conf), env=env, base_env="base", default_run_env="local")
    read_by_kedro = loader["credentials"]

    shown = f"{read_by_kedro} {[read_by_kedro]}"

    assert not [value for value in (KEY, SECRET, TOKEN, WEBHOOK) if value in shown]
    assert read_by_kedro["bitbank"]["key"] == KEY


def test_conf_local_goes_before_the_environment(conf: Path) -> None:
    (conf / "live" / "credentials.yml").write_text(WRITTEN)
    (conf / "local" / "credentials.yml").write_text("bitbank: {key: own-key, secret: own-secret}\n")

    store = read(conf)
    key, token = store.bitbank(), store.face_token()

    assert key is not None
    assert token is not None
    assert (key.key, key.secret, token.secret) == ("own-key", "own-secret", TOKEN)


def test_given_variables_then_they_go_before_every_file(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (conf / "local" / "credentials.yml").write_text(WRITTEN)
    monkeypatch.setenv("BITBANK_API_KEY", "other-key")
    monkeypatch.setenv("BITBANK_API_SECRET", "other-secret")

    key = read(conf).bitbank()

    assert key is not None
    assert (key.key, key.secret) == ("other-key", "other-secret")


def test_given_a_reference_to_a_variable_in_the_file_then_it_is_followed(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    (conf / "local" / "credentials.yml").write_text("face: {token: '${oc.env:MY_TOKEN}'}\n")

    token = read(conf).face_token()

    assert token is not None
    assert token.secret == TOKEN


def test_given_nothing_then_there_are_no_credentials(conf: Path) -> None:
    store = read(conf)

    assert store.bitbank() is None
    assert store.face_token() is None
    assert dict(store.webhooks) == {}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (f"bitbank: [{KEY}\nface: {SECRET}", "cannot be read at line 2; correct it"),
        (f"bitbank: {{key: {KEY}, secret: '${{{SECRET}'}}", "cannot be read"),
        (f"bitbank: {{key: {KEY}, sceret: {SECRET}}}", "bitbank has the unknown key sceret"),
        (f"bitbank: {SECRET}", "bitbank holds no keys in credentials.yml in conf/local"),
        (f"webhooks: {SECRET}", "write webhooks.<channel> there"),
    ],
)
def test_given_a_damaged_file_then_the_place_is_named_and_nothing_of_it_shown(
    conf: Path, written: str, sentence: str
) -> None:
    (conf / "local" / "credentials.yml").write_text(written)

    with pytest.raises(ConfigurationError, match=sentence) as refused:
        read(conf)

    shown = "".join(traceback.format_exception(refused.value))
    assert KEY not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (f"bitbank: {{key: {KEY}}}", "key and secret are both needed"),
        ("face: {token: recognisable-short}", "or face.token in conf/local/credentials.yml, must be at least 32"),
    ],
)
def test_given_half_a_key_or_a_short_token_then_it_is_refused_unshown(conf: Path, written: str, sentence: str) -> None:
    (conf / "local" / "credentials.yml").write_text(written)
    store = read(conf)

    with pytest.raises(ConfigurationError, match=sentence) as refused:
        (store.bitbank(), store.face_token())

    assert "recognisable" not in "".join(traceback.format_exception(refused.value))


def test_given_credentials_in_a_catalog_then_neither_it_nor_its_configuration_shows_them(conf: Path) -> None:
    (conf / "local" / "credentials.yml").write_text(WRITTEN)
    catalog = DataCatalog()
    catalog["credentials"] = CredentialsDataset(read(conf))

    shown = f"{catalog!r} {catalog} {catalog['credentials']!r} {catalog.to_config()!r} {catalog.load('credentials')!r}"

    assert "recognisable" not in shown
    with pytest.raises(DatasetError, match="they are written by hand"):
        catalog.save("credentials", "a secret")
