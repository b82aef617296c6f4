"""The attack on drumjax's promises: `python -m tests.attack --workdir DIR`; see docs/reliability.md."""
