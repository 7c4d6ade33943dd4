"""Starts one command, waits, and writes down what it took. A program of its own, with a memory so small that it hides nobody's.

    clock.py RESULT COMMAND...

What a command's peak memory is said to be includes the process that started it (the kernel counts so across `exec`). So the
benchmark, which holds megabytes, does not start what it measures; this does. Writes "wall_s cpu_s peak_kb exit_code".
"""

import os
import sys
import time


def main() -> None:
    began = time.perf_counter()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    with open(sys.argv[1], "w") as result:
        code = os.waitstatus_to_exitcode(status)
        result.write(f"{wall:.6f} {usage.ru_utime + usage.ru_stime:.6f} {usage.ru_maxrss} {code}\n")


main()
