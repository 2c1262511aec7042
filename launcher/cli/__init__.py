"""The command line's inside: one module a verb, loaded when it is called. Only here are click and rich known."""
