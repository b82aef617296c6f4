"""Speed of drumjax against its peers: `python -m benchmarks`."""
