"""Whether a text could name an image to a container runtime at all: most job scripts end here (pure)."""

from __future__ import annotations

# All programs of `commands.RUNTIME_COMMANDS`, and all options of `plugin_options.PLUGIN_OPTIONS`. The cli_filter plugin
# has the same list.
MENTIONS = (
    "apptainer", "singularity", "docker", "podman", "podman-hpc", "enroot", "sarus", "ch-run", "shifter", "spack",
    "--container-image", "--image", "--uenv", "--environment", "--singularity-container", "--container",
)  # fmt: skip


def mentions(text: str) -> bool:
    return any(each in text for each in MENTIONS)
