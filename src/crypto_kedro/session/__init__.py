"""Drivers of the decision core: they bring it observations and carry its decisions to an exchange."""
