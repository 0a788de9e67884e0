"""What the `dunlin` command does, without its words and colours: those are in `local.cli`."""
