"""The model bundle that production loads: trees without their training libraries, verified before use."""
