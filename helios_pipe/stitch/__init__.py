"""How chunks become one."""
