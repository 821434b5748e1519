"""Run every page in the interpreter that serves it, whatever kernels the machine has installed; forked where it can."""

from __future__ import annotations

import sys
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from balance_lib.show.serve import forking

NAME = "python3"
ARGV = [sys.executable, "-m", forking.MODULE, "{connection_file}"]


class SameInterpreter(KernelSpecManager):
    """Know one kernel only: the interpreter this server runs in."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the one kernel there is."""
        return {NAME: ""}

    def get_kernel_spec(self, kernel_name: str) -> Any:
        """Return the kernel.

        Raises
        ------
        NoSuchKernel
            If another one is asked for.
        """
        if kernel_name != NAME:
            raise NoSuchKernel(kernel_name)
        spec = {"argv": list(ARGV), "display_name": "Python 3", "language": "python", "resource_dir": ""}
        # A server of another environment may not know our provisioner; then the kernel starts by itself.
        provisioner = {"kernel_provisioner": {"provisioner_name": forking.NAME}} if forking.known() else {}
        return KernelSpec(**spec, metadata=provisioner)
