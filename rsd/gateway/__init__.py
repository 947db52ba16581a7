"""RSD as an OpenAI-compatible endpoint, and a page to watch it.

One request is one or more runs of a strategy, the same async generators that benchmarks run:
`sample` decodes, `account` counts, `answers` writes OpenAI's JSON, `app` has the routes.
`admission`, `health`, `edge` and `watch` are what operating it needs. Needs the extra `gateway`.
"""

from rsd.gateway.app import create_app
from rsd.gateway.gateway import Build, Gateway
from rsd.gateway.http.server import serve

__all__ = ["Build", "Gateway", "create_app", "serve"]
