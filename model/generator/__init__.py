"""Turns model/classes/*.toml and model/errors.toml into C and the reference pages."""
