"""What Spack knows of a binary, before it is installed: buildcaches, installs and lockfiles, read without Spack."""
