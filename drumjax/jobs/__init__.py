"""Many samples as files in a folder."""
