"""The feature catalogue, its kernels and their batch computation, the same for history and for the live window."""
