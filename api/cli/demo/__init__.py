"""``tapefarm demo``: the main job on a farm of its own, shown and checked."""
