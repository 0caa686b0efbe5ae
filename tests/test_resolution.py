"""From the name of an image on disk to its spec. Registries: tests/artifact, tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpccompat.artifact.access import Access
from hpccompat.artifact.label import LABEL
from hpccompat.demand import Demand
from hpccompat.errors import ImageError, ImageUnknown, SpecError
from hpccompat.resolution import Resolved, Search, resolve
from hpccompat.spec.decode import load_spec
from tests.artifact.layout_files import Layout
from tests.artifact.sif_bytes import FILE_SYSTEM, Part, definition, sif, spec
from tests.integration.line import SOLVER

TEXT = SOLVER.read_text()
# Nothing here may ask a registry that is not this host's own, where nobody listens.
SEARCH = Search(Access(2, registries=("127.0.0.1:1",)))


def found(name: str, *, named_to_us: bool = True, tags: tuple[str, ...] = ()) -> Resolved | None:
    return resolve(Demand("image", name, "--compat-image", tags, named_to_us), SEARCH)


def image(folder: Path, *parts: Part) -> str:
    path = folder / "app.sif"
    path.write_bytes(sif([FILE_SYSTEM, *parts]))
    return str(path)


def test_a_spec_that_the_image_holds(tmp_path: Path) -> None:
    name = image(tmp_path, spec(TEXT))
    assert found(name) == Resolved(load_spec(TEXT), "", f"{name}, object 2")
    with pytest.raises(SpecError, match=r"no set has the tag x .*app.sif, object 2"):
        found(name, tags=("x",))
    with pytest.raises(SpecError, match=r"app\.sif, object 2"):
        found(image(tmp_path, spec("compatibilities: 5")))
    assert found(image(tmp_path)) is None


def test_a_layout(tmp_path: Path) -> None:
    layout = Layout()
    listed = layout.list(layout.index({"amd64": layout.image({LABEL: TEXT})}), "v1")
    layout.write(tmp_path / "images")
    for name in (f"oci:{tmp_path}/images:v1", f"{tmp_path}/images"):
        assert found(name) == Resolved(load_spec(TEXT), str(listed["digest"]), f"{tmp_path}/images, label {LABEL}")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("bootstrap: docker\nfrom: 127.0.0.1:1/hpc/app:1", "made from docker://127.0.0.1:1/hpc/app:1, and .*refused"),
        ("bootstrap: docker\nfrom: example.org/app:1", "registry example.org is not among those that may be asked"),
        ("bootstrap: docker\nfrom: A B", "is not the name of an image"),
    ],
)
def test_an_origin_that_leads_nowhere_is_unknown(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(ImageUnknown, match=said) as error:
        found(image(tmp_path, definition(header)))
    assert f"{tmp_path}/app.sif, made from" in str(error.value)


def test_an_origin_that_is_not_looked_up(tmp_path: Path) -> None:
    assert found(image(tmp_path, definition("bootstrap: library\nfrom: a/b/c:1"))) is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Named to us, that is an error; by a plugin's option, the nodes may have it."""
    with pytest.raises(ImageError, match="No such file"):
        found(f"{tmp_path}/absent.sif")
    with pytest.raises(ImageUnknown, match="is not on this host"):
        found(f"{tmp_path}/absent.sif", named_to_us=False)
    with pytest.raises(ImageUnknown, match="not looked up"):
        found("library://a/b/c")
