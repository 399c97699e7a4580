"""The scheduler and the worker of a local cluster: Dask's own, without the page each of them serves over HTTP.

Apart from `imil_sim.engine.cluster`, because a worker process imports its class before its environment is set.
"""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, Worker


class WithoutHttp:
    """Opens no HTTP port, which TLS does not cover; no option of Dask's does without."""

    def start_http_server(self, *arguments: Any, **options: Any) -> None:
        """See `distributed.node.ServerNode.start_http_server`."""


class LocalScheduler(WithoutHttp, Scheduler):
    """A scheduler that listens on one port."""


class LocalWorker(WithoutHttp, Worker):
    """A worker that listens on one port."""
