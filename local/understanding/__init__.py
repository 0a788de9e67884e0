"""The weights of the understanding: how they are trained, and how well texts are read."""
