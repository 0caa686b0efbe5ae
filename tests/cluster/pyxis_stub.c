/* A SPANK plugin that has pyxis' option and does nothing with it. */
#include <slurm/spank.h>

SPANK_PLUGIN(pyxis, 1)

static int ignore(int value, const char *argument, int remote)
{
    (void)value;
    (void)argument;
    (void)remote;
    return 0;
}

static struct spank_option container_image = {
    "container-image", "[USER@][REGISTRY#]IMAGE[:TAG]|PATH", "the image to run in", 1, 0, ignore
};

int slurm_spank_init(spank_t spank, int count, char **arguments)
{
    (void)count;
    (void)arguments;
    return spank_option_register(spank, &container_image);
}
