"""What tests share: a renderer that can be read back, a project on disk, servers on the loopback, a clock that obeys."""
