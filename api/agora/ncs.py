"""Where this farm's callbacks come from (reference §1.3), for receivers behind a firewall."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from flask import Blueprint, Response, g, jsonify, request

from api.agora import codes
from api.agora.codes import Call
from api.agora.routes import answer
from api.auth import Doorman
from api.quota import Quota
from media.errors import FarmError

PATHS: Final = ("/v1/ncs/ip", "/v2/ncs/ip")


def blueprint(
    sources: Iterable[IPv4Address | IPv6Address], doorman: Doorman, quota: Quota
) -> Blueprint:
    """The routes; the owner of any app may ask, whichever of its apps is counted."""
    routes = Blueprint("ncs", __name__)
    hosts = [{"primaryIP": str(address)} for address in sources]

    @routes.errorhandler(FarmError)
    def refuse(error: FarmError) -> Response:
        g.refused = error
        return answer(*codes.answer(error, Call.QUERY))

    def addresses() -> Response:
        """The addresses that callbacks come from; they may change every day."""
        quota.take(min(doorman.owned(request.headers.get("Authorization"))))
        return jsonify(data={"service": {"hosts": hosts}})

    for number, path in enumerate(PATHS, 1):
        routes.add_url_rule(path, f"ip_v{number}", addresses, methods=["GET"])
    return routes
