"""Out-of-sample predictions traded through the decision core and the matching engine, beside baselines."""
