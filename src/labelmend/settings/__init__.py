"""The settings tree by name: what each setting is, reading and writing them."""
