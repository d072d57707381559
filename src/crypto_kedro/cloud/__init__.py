"""What only Google's cloud knows; no other room imports its clients."""
