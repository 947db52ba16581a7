"""RSD as an OpenAI-compatible endpoint, and a page to watch it. Needs the extra `gateway`.

http/       connections, limits, authentication, logs; how an answer reaches its client
openai/     the API: requests as clients send them, answers as clients expect them
answering/  one answer: a strategy decoded over the model servers, also when one is lost
gateway     what is served over which servers; `catalog` its models, `app` its routes
"""

from rsd.gateway.app import create_app
from rsd.gateway.gateway import Build, Gateway
from rsd.gateway.http.server import serve

__all__ = ["Build", "Gateway", "create_app", "serve"]
