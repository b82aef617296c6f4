"""Settings: frozen dataclasses made from config files, one file a group."""
