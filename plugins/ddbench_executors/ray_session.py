"""A connection to a Ray cluster: one that is there, or one of this machine alone, which nobody else may enter.

Whoever reaches a port of Ray's may run code, and by itself Ray 2.60 listens on every interface: a node that is given
127.0.0.1 takes the host's own address instead, but for the variable that tells it that this machine is no part of a
cluster. With that, what listens (the control service, the node's manager, the agent of runtime environments, driver and
workers) does so on the loopback address alone; a process that imported ray before gets the host's address all the same.
The other users of this machine reach loopback too, so token authentication is on as well: the token is in a file that
this user alone can read, in a folder that this user alone can enter, gone with this process. Where this process is
ended by kill -9, workers end within seconds, two idle agents of Ray's a minute later, and the folder stays.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench_executors import machine
from ddbench_executors.threads import ALONE, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODE, _PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"
_OBJECT_STORE_BYTES = 100 * 2**20  # outcomes are small: what is large lies in ddbench's store
_PATIENCE_SECONDS = 5.0
_LONGEST = 18  # bytes of the name of a folder below which Ray can name its sockets, in 103 bytes on some systems
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_LOGS: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}


@contextmanager
def session(address: str, *, unguarded: bool, gpus: bool, retries: int) -> Iterator[None]:
    """Connect to the cluster at an address, or start one of this machine where that is empty, until the block is left.

    A connection that this process has already is used and left as it is. ``gpus`` says whether those of this machine
    are part of a cluster that is started, ``unguarded`` whether it may be one without authentication, and ``retries``
    how often it tries a stage again whose worker Ray ended, short of memory.

    Raises:
        UserError: no cluster there, no authentication, or one that this user has no token for.
    """
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        with _muted():
            yield
        return
    guard = {} if address else {**_ON_LOOPBACK, **_guard(unguarded=unguarded)}
    with environment(**_QUIET, **guard):
        import ray

        try:
            _join(address) if address else _start(gpus=gpus, retries=retries, guarded=guard.get(_MODE) == "token")
            with _muted():
                yield
        finally:
            ray.shutdown()


@contextmanager
def _muted() -> Iterator[None]:
    """Keep Ray from printing on stdout, where documents go: a page for every worker that it has lost."""
    from ray._private import worker

    before = getattr(worker, "print_to_stdstream", None)
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def _join(address: str) -> None:
    import ray

    if address.startswith("ray://"):
        raise UserError(f"'{address}': give the command on a machine of the cluster, with ray[address=auto]")
    host, _, port = address.rpartition(":")
    advice = (
        "'ray start --head' starts one, and '--executor ray' without an address one of this machine; "
        f"{_PATH} names the file of its token"
    )
    with _in_one_line(f"no Ray cluster at '{address}' lets this process in", advice):
        if host and port.isdigit():  # Ray itself would try for minutes, and say so all the while
            socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
        ray.init(address=address, **_LOGS)


@contextmanager
def _in_one_line(what: str, advice: str) -> Iterator[None]:
    """Turn what goes wrong with Ray into a UserError."""
    import ray

    try:
        yield
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{what}: {reason}; {advice}") from None


def _start(*, gpus: bool, retries: int, guarded: bool) -> None:
    import ray

    own: dict[str, Any] = {"_node_ip_address": "127.0.0.1", "_temp_dir": str(_private_folder() / "ray")}
    if guarded:
        _require_guard()
    with environment(**ALONE), _in_one_line("Ray does not start here", "'--executor processes' needs none"):
        ray.init(
            address="local",  # else a cluster that this machine belongs to would be joined
            num_cpus=machine.cores(),
            num_gpus=None if gpus else 0,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            _system_config={"task_oom_retries": retries},
            **own,
            **_LOGS,
        )


def _guard(*, unguarded: bool) -> dict[str, str]:
    """Return the environment variables under which a cluster starts.

    Raises:
        UserError: authentication is turned off in the environment, and the user has not said that this is meant.
    """
    if unguarded:
        return {_MODE: os.environ.get(_MODE, "disabled")}
    mode = os.environ.get(_MODE, "token")
    if mode != "token":
        raise UserError(
            f"{_MODE} is '{mode}': a Ray that ddbench starts would let everybody run code who reaches this machine; "
            f"unset {_MODE}, or say that this is meant: ray[open=true]"
        )
    known = _PATH in os.environ or "RAY_AUTH_TOKEN" in os.environ
    return {_MODE: mode} if known else {_MODE: mode, _PATH: str(_token())}


def _require_guard() -> None:
    """Raise a UserError unless this version of Ray has authentication, and it is on in this process."""
    inside: Any = import_module("ray._raylet")
    modes = getattr(inside, "AuthenticationMode", None)
    if modes is not None and inside.get_authentication_mode() != modes.TOKEN:
        inside.Config.initialize("")  # ray was imported, and had read its settings, before they were made
    if modes is not None and inside.get_authentication_mode() == modes.TOKEN:
        return
    raise UserError(
        "this version of Ray knows no token authentication: upgrade it (pip install -U 'ddbench[ray]'), or say that "
        "everybody who reaches this machine may run code on it: ray[open=true]"
    )


@functools.cache
def _private_folder() -> Path:
    """Make a folder that this user alone can enter; it goes when this process ends."""
    there = tempfile.gettempdir()
    if len(os.fsencode(there)) > _LONGEST and Path("/tmp").is_dir():  # noqa: S108 - mkdtemp's folder is this user's alone
        there = "/tmp"  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="ddbench-", dir=there))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _token() -> Path:
    """Write a token of this process, which Ray reads once."""
    path = _private_folder() / "token"
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(secrets.token_hex(32), encoding="ascii")
    return path
