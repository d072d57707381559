"""The trader's pure heart: values of trading and the decision core; no I/O, no clock, no randomness."""
