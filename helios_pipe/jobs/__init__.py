"""Whose work it is: jobs, their records and their journal."""
