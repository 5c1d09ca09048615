"""Secrets: nothing shows them."""

from __future__ import annotations

import json
import logging
import pickle
import traceback

import pytest
from pydantic import BaseModel

from parlance.engine.secret import SHOWN, Secret

TEXT = "sk-very-secret-0123456789"


class Settings(BaseModel):
    key: Secret
    spare: Secret = Secret("")


def fails(key: Secret) -> None:
    raise RuntimeError(f"it failed with {key} and {key!r}")


@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r}",
        lambda secret: "%s" % secret,  # noqa: UP031
        lambda secret: repr(Settings(key=secret)),
        lambda secret: repr({"key": [secret]}),
        lambda secret: str(Settings(key=secret).model_dump()),
        lambda secret: json.dumps(Settings(key=secret).model_dump(), default=str),
    ],
)
def test_it_is_never_shown(shown: object) -> None:
    assert callable(shown)
    text = shown(Secret(TEXT))
    assert TEXT not in text
    assert "Secret(" in text


def test_not_in_what_is_dumped() -> None:
    assert TEXT not in Settings(key=Secret(TEXT)).model_dump_json()


def test_not_in_an_error_nor_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError) as caught:
        fails(Secret(TEXT))
    told = "".join(traceback.format_exception(caught.value))
    logging.getLogger("test").warning("key %s", Secret(TEXT))
    assert TEXT not in told + caplog.text
    assert SHOWN in told


def test_the_one_way_to_the_text() -> None:
    assert Settings.model_validate({"key": TEXT}).key.get_secret_value() == TEXT
    assert isinstance(Settings.model_validate({"key": TEXT}).key, Secret)


def test_an_empty_one_is_none() -> None:
    assert Secret(TEXT)
    assert not Secret("")


def test_two_are_alike_if_their_texts_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")
