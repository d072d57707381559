"""What was earned: realised results by day and month, and the yearly table of a Japanese tax return."""
