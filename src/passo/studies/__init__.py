"""The shipped studies: TOML files, and the published note that is replicated."""
