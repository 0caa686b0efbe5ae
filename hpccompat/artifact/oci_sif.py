"""OCI-SIF, the images of SingularityCE 4: a SIF file that holds an OCI layout, object by object."""

from __future__ import annotations

from dataclasses import dataclass

from hpccompat.artifact.layout import INDEX
from hpccompat.artifact.regular import RegularFile
from hpccompat.artifact.sif import OCI_BLOB, OCI_INDEX, Sif, content


@dataclass(frozen=True)
class OciSif:
    """The files of the layout, as `find_in_layout` asks for them: blobs have their digest in the table."""

    file: RegularFile
    sif: Sif

    @property
    def path(self) -> str:
        return self.file.path

    def read(self, name: str, limit: int) -> bytes | None:
        digest = name.removeprefix("blobs/").replace("/", ":")
        for each in self.sif.objects:
            if (each.type == OCI_INDEX and name == INDEX) or (each.type == OCI_BLOB and each.digest == digest):
                return content(self.file, each, limit)
        return None
