"""Options of sbatch, srun and salloc that name an image: Slurm's own --container, and those of SPANK plugins (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpccompat.runtimes.names import Named, parse_name


@dataclass(frozen=True)
class PluginOption:
    """`option`: its long name. `runtime`: how it writes names. `plugins`: how the names of plugins with this option
    begin, where the option's name says too little by itself. `variables`: what the plugin takes without the option."""

    option: str
    runtime: str
    plugins: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


# A row for each option that some plugin, or Slurm itself, takes an image by.
PLUGIN_OPTIONS = (
    PluginOption("container-image", "enroot", variables=("PYXIS_CONTAINER_IMAGE",)),
    PluginOption("image", "shifter", ("shifter",), ("SLURM_SPANK_SHIFTER_IMAGE", "SHIFTER_IMAGE", "SHIFTER")),
    PluginOption("uenv", "uenv", variables=("SLURM_UENV",)),
    PluginOption("environment", "edf", ("pyxis", "edf", "container")),
    PluginOption("singularity-container", "file", variables=("SLURM_SINGULARITY_CONTAINER",)),
    PluginOption("container", "file"),
)
# Those that no release of Slurm has itself.
OF_PLUGINS = tuple(each.option for each in PLUGIN_OPTIONS if each.option != "container")


@dataclass(frozen=True)
class PluginImage:
    """`origin`: the option or variable."""

    origin: str
    image: Named


def images_of_options(given: Mapping[str, str], environment: Mapping[str, str]) -> tuple[PluginImage, ...]:
    """The images of the first row that names any. `given`: option, or `plugin/option` where the plugin is known, ->
    value."""
    for row in PLUGIN_OPTIONS:
        for name, value in given.items():
            plugin, slash, option = name.rpartition("/")
            fits = not slash or not row.plugins or plugin.startswith(row.plugins)
            if option == row.option and fits and value:
                return tuple(PluginImage(f"--{option}", each) for each in parse_name(row.runtime, value))
    for row in PLUGIN_OPTIONS:
        for variable in row.variables:
            if environment.get(variable):
                return tuple(PluginImage(variable, each) for each in parse_name(row.runtime, environment[variable]))
    return ()
