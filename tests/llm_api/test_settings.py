from pathlib import Path

import pytest

from llm_api.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


def test_the_process_wins_over_dotenv_and_dotenv_over_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / ".env").write_text("HUB_HOME=home\nHUB_LLM_PORT=2\nHUB_QUEUE_PREFIX=dotenv-\n")
    (tmp_path / "home" / "stack.env").write_text(
        "HUB_LLM_TOKEN='stack'\nHUB_LLM_PORT=3\nHUB_QUEUE_PREFIX=stack-\nUNKNOWN=1\n"
    )
    monkeypatch.setenv("HUB_LLM_PORT", "1")
    settings = load_settings(tmp_path)
    assert (settings.port, settings.queue_prefix) == (1, "dotenv-")
    assert settings.token.get_secret_value() == "stack"


def test_the_packaged_model_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_LLM_TOKEN", "t")
    assert load_settings(tmp_path).find_model().name.startswith("SmolLM2-135M-Instruct")


@pytest.mark.parametrize("token", [None, "", "  "])
def test_without_a_token_it_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    if token is not None:
        monkeypatch.setenv("HUB_LLM_TOKEN", token)
    with pytest.raises(SettingsError, match="HUB_LLM_TOKEN"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("HUB_LLM_URL", "ftp://x"), ("HUB_LLM_URL", "localhost:9000"), ("HUB_LLM_PORT", "hidden"),
     ("HUB_LLM_PORT", "70000"), ("AWS_ENDPOINT_URL", "/x"), ("HUB_QUEUE_PREFIX", "a b")],
)  # fmt: skip
def test_a_wrong_value_is_named_in_one_sentence_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("HUB_LLM_TOKEN", "t")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"{name} is wrong")
    assert text.endswith(".")
    assert "\n" not in text
    assert value not in text


def test_a_model_that_is_missing_or_no_gguf_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_LLM_TOKEN", "t")
    wrong = tmp_path / "model.gguf"
    wrong.write_bytes(b"PK\x03\x04 zip")
    for path, words in ((tmp_path / "none.gguf", "cannot be read"), (wrong, "no GGUF"), (tmp_path, "cannot")):
        monkeypatch.setenv("HUB_LLM_MODEL", str(path))
        with pytest.raises(SettingsError, match=words):
            load_settings(tmp_path).find_model()


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.alias, name
        assert field.description, name
