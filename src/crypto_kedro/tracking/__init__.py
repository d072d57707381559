"""Lineage in MLflow: what code, data and settings made a model, and which version of it is trusted."""
