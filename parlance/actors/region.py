"""Azure Speech: where a resource is. Its ear and its voice have hosts and paths of their own, in the same regions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from parlance.actors.dial import Variable
from parlance.actors.web import WebService


class Regional(WebService):
    """The settings of a service that is in a region, or at an address of its own."""

    place: ClassVar[str]
    """The usual address, with `{region}` in it."""

    region: Annotated[
        str, Field(pattern=r"^([a-z0-9]+)?$", description="should be small letters and digits, like westeurope")
    ] = ""
    """Such as `westeurope`: where the resource is."""
    url: str = ""
    """In place of a region: another cloud, a resource's own address, a container."""
    key_env: Variable = "AZURE_SPEECH_KEY"

    @model_validator(mode="before")
    @classmethod
    def _somewhere(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("url"):
            if not data.get("region"):
                raise ValueError("'region' is missing, such as westeurope; or a `url`")
            return {**data, "url": cls.place.format(region=data["region"])}
        return data

    def usual(self) -> str:
        return self.place.format(region=self.region or "region")
