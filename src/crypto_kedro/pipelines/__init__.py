"""Pipelines: what follows what; the rooms know how."""
