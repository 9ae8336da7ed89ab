"""What takes too long for `make test`: the same numbers everywhere, nothing lost, nobody let in."""
