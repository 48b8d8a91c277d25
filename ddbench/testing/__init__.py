"""For plugin authors: toys to try a component on, and the checks that every component must pass."""
