"""Labels of images: text that the author wrote into the image itself, in a Dockerfile or a definition file (pure)."""

from __future__ import annotations

import json

from hpccompat.errors import ImageError

# The label whose text is a compatibility spec, as JSON or YAML.
LABEL = "org.hpccompat.spec"


def spec_in(labels: object) -> bytes | None:
    """The spec among an image's labels; None where there is none, or what should hold labels doesn't."""
    text = labels.get(LABEL) if isinstance(labels, dict) else None
    # JSON can hold half of a surrogate pair, which is no text.
    return text.encode("utf-8", "replace") if isinstance(text, str) and text.strip() else None


def spec_in_config(config: object) -> bytes | None:
    """The same for an image's configuration (image-spec, "OCI Image Configuration"; Docker's has the same form)."""
    return spec_in(member(config, "config", "Labels"))


def parse_json(data: bytes, where: str) -> object:
    """Raises ImageError, which begins with `where`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{where} is not JSON: {error}") from error


def member(value: object, *path: str) -> object:
    """What lies below the names; None where something on the way is no mapping, or hasn't got the name."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
