"""Tests of the bridge: ``python -m unittest discover -t . -s tests`` in ``bridge/``."""
